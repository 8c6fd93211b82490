/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	route_sign - sign a request so that its receiver knows who sent it
 *
 * DESCRIPTION
 *	See route_sign.h.  Each secret has a keyed context of its own, begun
 *	anew for each message.
 *
 * PROCESS
 *	Routes, after the fork.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/route_sign.h"

#include "common/panic.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX 4096
#define PREFIX   "whsec_"

struct route_sign {
	EVP_MAC *mac;
	EVP_MAC_CTX *key[ROUTE_SIGN_SECRETS];
	size_t keys;
};

struct route_sign *
route_sign_new(void)
{
	struct route_sign *sign = xcalloc(1, sizeof *sign);

	if ((sign->mac = EVP_MAC_fetch(NULL, "HMAC", NULL)) == NULL)
		fatal("libcrypto has no HMAC: requests cannot be signed");
	return sign;
}

void
route_sign_free(struct route_sign *sign)
{
	if (sign == NULL)
		return;
	for (size_t i = 0; i < sign->keys; i++)
		EVP_MAC_CTX_free(sign->key[i]);
	EVP_MAC_free(sign->mac);
	free(sign);
}

/* Length of what was decoded, or -1. */
static int
decode(struct bytes text, uint8_t *out, size_t size)
{
	size_t pad = 0;
	int n;

	while (pad < 2 && pad < text.len && text.ptr[text.len - 1 - pad] == '=')
		pad++;
	if (text.len == 0 || text.len % 4 != 0 || text.len / 4 * 3 > size)
		return -1;
	n = EVP_DecodeBlock(out, text.ptr, (int)text.len);
	return n == -1 ? -1 : n - (int)pad;
}

int
route_sign_add(struct route_sign *sign, struct bytes secret, char *why, size_t size)
{
	static char sha256[] = "SHA256";
	OSSL_PARAM params[2] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, sha256, 0),
	    OSSL_PARAM_construct_end()};
	uint8_t key[ROUTE_SIGN_KEY_MAX + 3];
	size_t prefix = sizeof PREFIX - 1;
	EVP_MAC_CTX *ctx;
	int len;

	if (sign->keys == ROUTE_SIGN_SECRETS) {
		snprintf(why, size, "more than %d secrets", ROUTE_SIGN_SECRETS);
		return -1;
	}
	if (secret.len > prefix && memcmp(secret.ptr, PREFIX, prefix) == 0) {
		len = decode(bytes_of(secret.ptr + prefix, secret.len - prefix), key, sizeof key);
		if (len == -1 || len > ROUTE_SIGN_KEY_MAX) {
			snprintf(why, size, "what follows whsec_ is not base64 of 1 to %d bytes",
			    ROUTE_SIGN_KEY_MAX);
			return -1;
		}
	} else {
		if (secret.len == 0 || secret.len > ROUTE_SIGN_KEY_MAX) {
			snprintf(why, size, "a secret has 1 to %d bytes", ROUTE_SIGN_KEY_MAX);
			return -1;
		}
		memcpy(key, secret.ptr, secret.len);
		len = (int)secret.len;
	}
	ctx = EVP_MAC_CTX_new(sign->mac);
	if (ctx == NULL || EVP_MAC_init(ctx, key, (size_t)len, params) != 1)
		fatal("libcrypto cannot make an HMAC-SHA-256");
	explicit_bzero(key, sizeof key);
	sign->key[sign->keys++] = ctx;
	return 0;
}

static int
add_lines(struct route_sign *sign, struct bytes text, char *why, size_t size)
{
	while (text.len > 0) {
		const uint8_t *nl = memchr(text.ptr, '\n', text.len);
		struct bytes line =
		    bytes_of(text.ptr, nl == NULL ? text.len : (size_t)(nl - text.ptr));
		size_t used = nl == NULL ? line.len : line.len + 1;

		if (line.len > 0 && line.ptr[line.len - 1] == '\r')
			line.len--;
		if (line.len > 0 && route_sign_add(sign, line, why, size) == -1)
			return -1;
		text = bytes_of(text.ptr + used, text.len - used);
	}
	return 0;
}

int
route_sign_load(struct route_sign *sign, const char *path, char *why, size_t size)
{
	uint8_t buf[FILE_MAX + 1];
	size_t len = 0;
	ssize_t n = 0;
	int fd, rc = -1;

	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1) {
		snprintf(why, size, "%s", strerror(errno));
		return -1;
	}
	while (len < sizeof buf && (n = read(fd, buf + len, sizeof buf - len)) > 0)
		len += (size_t)n;
	if (n == -1)
		snprintf(why, size, "%s", strerror(errno));
	else if (len > FILE_MAX)
		snprintf(why, size, "it is longer than %d bytes", FILE_MAX);
	else
		rc = add_lines(sign, bytes_of(buf, len), why, size);
	if (rc == 0 && sign->keys == 0) {
		snprintf(why, size, "there is no secret in it");
		rc = -1;
	}
	explicit_bzero(buf, sizeof buf);
	close(fd);
	return rc;
}

void
route_sign_make(struct route_sign *sign, const char *id, uint64_t timestamp_s,
    const struct bytes *pieces, size_t n, char *out)
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	char stamp[32];
	size_t len;
	int stamp_len = snprintf(stamp, sizeof stamp, ".%" PRIu64 ".", timestamp_s);

	for (size_t k = 0; k < sign->keys; k++) {
		EVP_MAC_CTX *ctx = sign->key[k];
		/* No key: the one it has. */
		int ok = EVP_MAC_init(ctx, NULL, 0, NULL) == 1 &&
			 EVP_MAC_update(ctx, (const uint8_t *)id, strlen(id)) == 1 &&
			 EVP_MAC_update(ctx, (const uint8_t *)stamp, (size_t)stamp_len) == 1;

		for (size_t i = 0; ok && i < n; i++)
			ok = EVP_MAC_update(ctx, pieces[i].ptr, pieces[i].len) == 1;
		ok = ok && EVP_MAC_final(ctx, digest, &len, sizeof digest) == 1;
		assert_that(ok && len == 32);
		if (k > 0)
			*out++ = ' ';
		memcpy(out, "v1,", 3);
		out += 3 + EVP_EncodeBlock((uint8_t *)out + 3, digest, (int)len);
	}
	*out = '\0';
}
