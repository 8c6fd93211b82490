/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	route_sign - sign a request so that its receiver knows who sent it
 *
 * DESCRIPTION
 *	Standard Webhooks 1.0, symmetric: HMAC-SHA-256 over `id.timestamp.body`,
 *	in base64, behind "v1,".  A secret file has one secret a line: "whsec_"
 *	and base64, or the secret itself.  Several secrets make several
 *	signatures, one behind the other with a blank: so a secret is changed
 *	while receivers still know the old one.
 *
 * PROCESS
 *	Routes, after the fork.
 *
 * SHARED STATE
 *	None.
 *
 * SEE ALSO
 *	https://www.standardwebhooks.com, docs/sinks/route.md
 */
#ifndef WORKERS_ROUTE_SIGN_H
#define WORKERS_ROUTE_SIGN_H

#include "common/bytes.h"

#include <stddef.h>
#include <stdint.h>

#define ROUTE_SIGN_SECRETS 4
#define ROUTE_SIGN_KEY_MAX 256 /* bytes of one */
/* "v1," and 44 characters each, blanks between, and a NUL. */
#define ROUTE_SIGN_TEXT_SIZE (ROUTE_SIGN_SECRETS * 48 + 1)

struct route_sign;

struct route_sign *route_sign_new(void);
/* Wipes what it knows.  NULL is allowed. */
void route_sign_free(struct route_sign *sign);
/* One secret; 0, or -1 with a sentence in why (which never holds the secret). */
int route_sign_add(struct route_sign *sign, struct bytes secret, char *why, size_t size);
/* Each line of a file that is not empty; 0, or -1 with a sentence in why. */
int route_sign_load(struct route_sign *sign, const char *path, char *why, size_t size);
/* out: ROUTE_SIGN_TEXT_SIZE bytes.  The body is the pieces one behind the other.
 * Cost: one pass over the body for each secret. */
void route_sign_make(struct route_sign *sign, const char *id, uint64_t timestamp_s,
    const struct bytes *pieces, size_t n, char *out);

#endif
