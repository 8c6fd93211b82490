/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	crc32c - the Castagnoli CRC of RFC 3720
 *
 * DESCRIPTION
 *	crc32c(0, p, n) of a whole, or crc32c(crc of what came before, p, n) to
 *	go on, so a frame's parts need not be contiguous.  Uses the CPU's crc32
 *	instruction in three lanes where it exists, a table elsewhere.
 *
 * PROCESS
 *	All.
 *
 * SHARED STATE
 *	None; the choice and the tables are made once, before main().
 */
#ifndef COMMON_CRC32C_H
#define COMMON_CRC32C_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32c(uint32_t crc, const void *data, size_t len);

/* memcpy() and crc32c() in one pass; dst and src must not overlap. */
uint32_t crc32c_copy(uint32_t crc, void *restrict dst, const void *restrict src, size_t len);

/* The table form, whatever the CPU has; the tests' second opinion. */
uint32_t crc32c_portable(uint32_t crc, const void *data, size_t len);

#endif
