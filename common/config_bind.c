/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	config_bind - addresses to listen on
 *
 * PROCESS
 *	Those that load a configuration.
 *
 * SHARED STATE
 *	None.
 */
#include "common/config_bind.h"

#include "common/config_errors.h"
#include "common/units.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

static bool
parse_unix(const char *path, struct config_bind *out, char *why, size_t why_size)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	size_t len = strlen(path);

	if (path[0] != '/') {
		(void)snprintf(why, why_size, "the path after unix: must begin with /");
		return false;
	}
	if (len >= sizeof un.sun_path) {
		(void)snprintf(why, why_size,
		    "the path of a unix socket has %zu bytes, the system allows %zu", len,
		    sizeof un.sun_path - 1);
		return false;
	}
	memcpy(un.sun_path, path, len + 1);
	memcpy(&out->address, &un, sizeof un);
	out->family = AF_UNIX;
	out->address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
	(void)snprintf(out->text, sizeof out->text, "unix:%s", path);
	return true;
}

/* `host` has no brackets. */
static bool
parse_host(const char *host, bool is_v6, uint16_t port, struct config_bind *out)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	char text[INET6_ADDRSTRLEN];

	if (is_v6) {
		if (inet_pton(AF_INET6, host, &in6.sin6_addr) != 1)
			return false;
		(void)inet_ntop(AF_INET6, &in6.sin6_addr, text, sizeof text);
		memcpy(&out->address, &in6, sizeof in6);
		out->family = AF_INET6;
		out->address_len = sizeof in6;
		(void)snprintf(out->text, sizeof out->text, "[%s]:%u", text, port);
		return true;
	}
	if (inet_pton(AF_INET, host, &in.sin_addr) != 1)
		return false;
	(void)inet_ntop(AF_INET, &in.sin_addr, text, sizeof text);
	memcpy(&out->address, &in, sizeof in);
	out->family = AF_INET;
	out->address_len = sizeof in;
	(void)snprintf(out->text, sizeof out->text, "%s:%u", text, port);
	return true;
}

bool
config_bind_parse(const char *text, struct config_bind *out, char *why, size_t why_size)
{
	static const char tries[] = "try 0.0.0.0:3001, [::]:3001 or unix:/run/sluice/in.sock";
	struct config_bind bind = {0};
	char host[64], quoted[CONFIG_ERRORS_QUOTE_SIZE];
	const char *colon, *from = text;
	bool is_v6 = text[0] == '[';
	int64_t port;
	size_t len;

	config_errors_quote(text, quoted);
	if (strncmp(text, "unix:", 5) == 0) {
		if (!parse_unix(text + 5, &bind, why, why_size))
			return false;
		*out = bind;
		return true;
	}
	if (text[0] == '*') {
		(void)snprintf(why, why_size,
		    "%s: write 0.0.0.0:PORT, and [::]:PORT in a line of its own", quoted);
		return false;
	}
	if ((colon = strrchr(text, ':')) == NULL ||
	    (is_v6 && (colon == text || colon[-1] != ']')) ||
	    (!is_v6 && strchr(text, ':') != colon)) {
		(void)snprintf(
		    why, why_size, "%s is not an address and a port (%s)", quoted, tries);
		return false;
	}
	if (units_parse_count(colon + 1, &port) != UNITS_OK || port < 1 || port > 65535) {
		(void)snprintf(
		    why, why_size, "%s: the port must be a number from 1 to 65535", quoted);
		return false;
	}
	len = (size_t)(colon - text);
	if (is_v6) {
		from++;
		len -= 2;
	}
	if (len >= sizeof host)
		len = 0;
	memcpy(host, from, len);
	host[len] = '\0';
	if (!parse_host(host, is_v6, (uint16_t)port, &bind)) {
		(void)snprintf(why, why_size,
		    "%s: the part before the port is not a numeric address (%s)", quoted, tries);
		return false;
	}
	*out = bind;
	return true;
}

bool
config_bind_is_conflict(const struct config_bind *a, const struct config_bind *b)
{
	struct sockaddr_in a4, b4;
	struct sockaddr_in6 a6, b6;

	if (a->family != b->family)
		return false;
	switch (a->family) {
	case AF_INET:
		memcpy(&a4, &a->address, sizeof a4);
		memcpy(&b4, &b->address, sizeof b4);
		return a4.sin_port == b4.sin_port &&
		       (a4.sin_addr.s_addr == b4.sin_addr.s_addr ||
			   a4.sin_addr.s_addr == INADDR_ANY || b4.sin_addr.s_addr == INADDR_ANY);
	case AF_INET6:
		memcpy(&a6, &a->address, sizeof a6);
		memcpy(&b6, &b->address, sizeof b6);
		return a6.sin6_port == b6.sin6_port &&
		       (IN6_ARE_ADDR_EQUAL(&a6.sin6_addr, &b6.sin6_addr) ||
			   IN6_IS_ADDR_UNSPECIFIED(&a6.sin6_addr) ||
			   IN6_IS_ADDR_UNSPECIFIED(&b6.sin6_addr));
	default:
		return strcmp(a->text, b->text) == 0;
	}
}
