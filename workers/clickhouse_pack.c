/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	clickhouse_pack - the body of an insert, packed
 *
 * PROCESS
 *	The ClickHouse sink.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/clickhouse_pack.h"

#include "common/panic.h"

#include <lz4.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#define HEAD        25 /* of a block */
#define METHOD_LZ4  0x82
#define METHOD_ZSTD 0x90
#define ZSTD_LEVEL  1
#define GZIP_LEVEL  1

struct clickhouse_pack {
	uint8_t *out;
	size_t len, size;
	uint8_t *stage; /* a block that was gathered */
	ZSTD_CCtx *zstd;
};

struct clickhouse_pack *
clickhouse_pack_new(void)
{
	struct clickhouse_pack *p = xcalloc(1, sizeof *p);

	p->stage = xcalloc(1, CLICKHOUSE_PACK_BLOCK);
	return p;
}

void
clickhouse_pack_free(struct clickhouse_pack *p)
{
	if (p == NULL)
		return;
	(void)ZSTD_freeCCtx(p->zstd);
	free(p->stage);
	free(p->out);
	free(p);
}

static bool
reserve(struct clickhouse_pack *p, size_t more)
{
	size_t want = p->len + more;
	uint8_t *grown;

	if (want <= p->size)
		return true;
	want += want / 2;
	if ((grown = realloc(p->out, want)) == NULL)
		return false;
	p->out = grown;
	p->size = want;
	return true;
}

static bool
put_block(struct clickhouse_pack *p, enum config_compression how, const uint8_t *at, size_t len)
{
	bool is_lz4 = how == CONFIG_COMPRESSION_LZ4;
	size_t most = is_lz4 ? (size_t)LZ4_compressBound((int)len) : ZSTD_compressBound(len), n;
	uint32_t lengths[2];
	uint8_t *head;

	if (!reserve(p, HEAD + most))
		return false;
	head = p->out + p->len;
	if (is_lz4) {
		n = (size_t)LZ4_compress_default(
		    (const char *)at, (char *)head + HEAD, (int)len, (int)most);
	} else {
		if (p->zstd == NULL && (p->zstd = ZSTD_createCCtx()) == NULL)
			return false;
		n = ZSTD_compressCCtx(p->zstd, head + HEAD, most, at, len, ZSTD_LEVEL);
		if (ZSTD_isError(n))
			return false;
	}
	if (n == 0)
		return false;
	memset(head, 0, 16);
	head[16] = is_lz4 ? METHOD_LZ4 : METHOD_ZSTD;
	lengths[0] = (uint32_t)(n + HEAD - 16);
	lengths[1] = (uint32_t)len;
	memcpy(head + 17, lengths, sizeof lengths);
	p->len += HEAD + n;
	return true;
}

/* Long pieces are packed where they stand, short ones gathered first. */
static bool
pack_blocks(struct clickhouse_pack *p, enum config_compression how, const struct bytes *piece,
    size_t pieces)
{
	size_t staged = 0;

	for (size_t i = 0; i < pieces; i++) {
		struct bytes b = piece[i];

		while (b.len > 0) {
			size_t n = CLICKHOUSE_PACK_BLOCK - staged;
			bool is_whole = staged == 0 && b.len >= CLICKHOUSE_PACK_BLOCK;

			if (n > b.len)
				n = b.len;
			if (!is_whole) {
				memcpy(p->stage + staged, b.ptr, n);
				staged += n;
			}
			if (is_whole && !put_block(p, how, b.ptr, n))
				return false;
			if (staged == CLICKHOUSE_PACK_BLOCK) {
				if (!put_block(p, how, p->stage, staged))
					return false;
				staged = 0;
			}
			b = bytes_of(b.ptr + n, b.len - n);
		}
	}
	return staged == 0 || put_block(p, how, p->stage, staged);
}

static bool
pack_gzip(struct clickhouse_pack *p, const struct bytes *piece, size_t pieces)
{
	z_stream z = {0};
	int rc = Z_OK;
	bool is_good = false;

	if (deflateInit2(&z, GZIP_LEVEL, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return false;
	for (size_t i = 0; i <= pieces; i++) {
		z.next_in = i < pieces ? (Bytef *)(uintptr_t)piece[i].ptr : NULL;
		z.avail_in = i < pieces ? (uInt)piece[i].len : 0;
		do {
			if (!reserve(p, 64 * 1024))
				goto out;
			z.next_out = p->out + p->len;
			z.avail_out =
			    (uInt)(p->size - p->len > UINT32_MAX ? UINT32_MAX : p->size - p->len);
			rc = deflate(&z, i < pieces ? Z_NO_FLUSH : Z_FINISH);
			p->len = (size_t)(z.next_out - p->out);
		} while (z.avail_out == 0);
	}
	is_good = rc == Z_STREAM_END;
out:
	(void)deflateEnd(&z);
	return is_good;
}

struct bytes
clickhouse_pack(struct clickhouse_pack *p, enum config_compression how, const struct bytes *piece,
    size_t pieces)
{
	bool is_good;

	p->len = 0;
	is_good = how == CONFIG_COMPRESSION_GZIP ? pack_gzip(p, piece, pieces)
						 : pack_blocks(p, how, piece, pieces);
	return is_good ? bytes_of(p->out, p->len) : bytes_of(NULL, 0);
}
