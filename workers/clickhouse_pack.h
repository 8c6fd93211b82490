/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	clickhouse_pack - the body of an insert, packed
 *
 * DESCRIPTION
 *	lz4 and zstd as ClickHouse's own compressed blocks (decompress=1), which
 *	every version reads; their checksum field is zero, and the request says
 *	so (http_native_compression_disable_checksumming_on_decompress=1).  gzip
 *	as Content-Encoding.
 *
 *	A block: 16 bytes of checksum, a byte for the method, u32 the length from
 *	that byte on, u32 the length unpacked, the bytes.
 *
 * PROCESS
 *	The ClickHouse sink.
 *
 * SHARED STATE
 *	None.
 */
#ifndef WORKERS_CLICKHOUSE_PACK_H
#define WORKERS_CLICKHOUSE_PACK_H

#include "common/bytes.h"
#include "common/config.h"

#define CLICKHOUSE_PACK_BLOCK (256u * 1024) /* bytes before packing */

struct clickhouse_pack;

struct clickhouse_pack *clickhouse_pack_new(void);
void clickhouse_pack_free(struct clickhouse_pack *p);

/* All pieces, one behind the other, packed; {NULL, 0}: no memory.  Until the next call. */
struct bytes clickhouse_pack(struct clickhouse_pack *p, enum config_compression how,
    const struct bytes *piece, size_t pieces);

#endif
