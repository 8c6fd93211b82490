/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	log_scan - where does the newest segment end?
 *
 * DESCRIPTION
 *	Commits are serial: one valid chunk header of commit k proves that all
 *	before k were durable.  So the segment is scanned to its end (zeros are
 *	no end if something valid follows) and only the last commit is cut, and
 *	only if it is not whole.  What is bad before it is damage, and the
 *	readers' affair.
 *
 * PROCESS
 *	The journal at a start; readers without a region.
 *
 * SHARED STATE
 *	None.
 */
#ifndef WORKERS_LOG_SCAN_H
#define WORKERS_LOG_SCAN_H

#include "workers/log_window.h"

struct log_scan {
	uint64_t end;        /* of the last whole commit */
	uint64_t commit;     /* its number, or `after` */
	uint64_t cut_commit; /* 0: nothing of it can be read, or none was cut */
	uint64_t cut_bytes;  /* that are not zero behind `end` */
	uint32_t cut_chunks; /* whole ones of the commit that was cut */
	uint32_t cut_of;
};

/* Scan from a commit's boundary to the window's limit; `after` is the number of
 * the commit that ends there (0: the segment begins there). */
void log_scan_end(struct log_window *w, const struct log_format_place *segment, uint64_t from,
    uint64_t after, struct log_scan *out);

#endif
