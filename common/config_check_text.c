/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	config_check_text - the texts of a sink: addresses, conditions, templates, columns
 *
 * PROCESS
 *	Those that load a configuration.
 *
 * SHARED STATE
 *	None.
 */
#include "common/column.h"
#include "common/config_check_parts.h"
#include "common/config_errors.h"
#include "common/kafka_option.h"
#include "common/match.h"
#include "common/panic.h"
#include "common/pick.h"
#include "common/status_map.h"
#include "common/template.h"

#include <stdlib.h>
#include <string.h>

#define OF(at, field) CONFIG_CHECK_SINK(at, field)
#define subject       config_check_subject
#define is_good       config_check_is_good
#define complain      config_check_complain
#define complain_line config_check_complain_line

#define WHY_SIZE  256
#define TOPIC_MAX 249 /* of Kafka */

static const char lower[] = "abcdefghijklmnopqrstuvwxyz";
static const char upper[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/*--------------------------------------------------------------- addresses */

/* A port that ends the text. */
static bool
is_port(const char *text)
{
	size_t len = strspn(text, "0123456789");
	long port;

	if (len == 0 || len > 5 || text[len] != '\0')
		return false;
	port = strtol(text, NULL, 10);
	return port > 0 && port <= 65535;
}

/* [::1], 127.0.0.1 or a name: its length, 0 when it is none. */
static size_t
host_len(const char *text)
{
	size_t len;

	if (text[0] == '[') {
		len = 1 + strspn(text + 1, "0123456789abcdefABCDEF:.");
		return len > 2 && text[len] == ']' ? len + 1 : 0;
	}
	for (len = 0; text[len] != '\0'; len++)
		if (strchr(lower, text[len]) == NULL && strchr(upper, text[len]) == NULL &&
		    strchr("0123456789.-_", text[len]) == NULL)
			break;
	return len;
}

const char *
config_check_server(const char *text, bool may_be_unix)
{
	size_t len;

	if (strncmp(text, "unix:", 5) == 0) {
		if (!may_be_unix)
			return "is no host and port, such as 127.0.0.1:9092";
		/* sun_path has 108 bytes. */
		return text[5] != '/' || strlen(text + 5) > 107
			   ? "behind unix: must have a path of at most 107 bytes"
			   : NULL;
	}
	len = host_len(text);
	if (len == 0 || text[len] != ':' || !is_port(text + len + 1))
		return may_be_unix ? "is not host:port or unix:/path, such as 127.0.0.1:6379"
				   : "is no host and port, such as 127.0.0.1:9092";
	return NULL;
}

static const char *
check_url(const char *text, bool may_have_path)
{
	const char *host, *rest;
	char port[8];
	size_t len;

	if (strncmp(text, "http://", 7) == 0)
		host = text + 7;
	else if (strncmp(text, "https://", 8) == 0)
		host = text + 8;
	else
		return "must begin with http:// or https://";
	if (strpbrk(text, " \t#") != NULL)
		return "has a blank or a #: write %20 or %23";
	if (memchr(host, '@', strcspn(host, "/?")) != NULL)
		return "has a user in it: write user and password-file, or a header";
	if ((len = host_len(host)) == 0)
		return "has no host";
	rest = host + len;
	if (*rest == ':') {
		len = strcspn(++rest, "/?");
		(void)snprintf(port, sizeof port, "%.*s", (int)(len < 7 ? len : 7), rest);
		if (!is_port(port))
			return "has a port that is none (1 to 65535)";
		rest += len;
	}
	if (*rest != '\0' && *rest != '/' && *rest != '?')
		return "has a character in its host that cannot be there";
	if (!may_have_path && *rest != '\0' && strcmp(rest, "/") != 0)
		return "must end after its port";
	return NULL;
}

static void
check_servers(struct config_parser *p, int at)
{
	const struct config_sink *s = &p->cfg->sink[at];
	struct subject server = OF(at, server);
	char q[CONFIG_ERRORS_QUOTE_SIZE];
	const char *why;
	int i, j;

	if (s->server.n == 0 && is_good(p, server))
		complain(p, server,
		    "sink \"%s\" has no address: write server http://127.0.0.1:8080/", s->name);
	for (i = 0; i < s->server.n; i++) {
		const char *text = s->server.at[i];

		if (s->kind == CONFIG_SINK_CLICKHOUSE || s->kind == CONFIG_SINK_ROUTE)
			why = check_url(text, s->kind == CONFIG_SINK_ROUTE);
		else
			why = config_check_server(text, s->kind != CONFIG_SINK_KAFKA);
		if (why != NULL && s->kind == CONFIG_SINK_KAFKA && strchr(text, ',') != NULL)
			why = "is more than one: write one server line for each";
		for (j = 0; why == NULL && j < i; j++)
			if (strcmp(s->server.at[j], text) == 0)
				why = "stands here twice";
		if (why != NULL)
			/* What may be a password goes into no log. */
			complain_line(p, server, i, "%s %s",
			    strchr(text, '@') != NULL ? "the URL" : config_errors_quote(text, q),
			    why);
	}
}

/*------------------------------------------------------- what a sink gets */

static void
check_match(struct config_parser *p, int at)
{
	const struct config_sink *s = &p->cfg->sink[at];
	struct match *m = match_new();
	char why[WHY_SIZE];
	int i;

	for (i = 0; i < s->event_type.n; i++)
		if (match_add_type(m, s->event_type.at[i], why, sizeof why) == -1)
			complain_line(p, OF(at, event_type), i, "%s", why);
	for (i = 0; i < s->where.n; i++)
		if (match_add_where(m, s->where.at[i], why, sizeof why) == -1)
			complain_line(p, OF(at, where), i, "%s", why);
	match_free(m);
}

static const char topic_chars[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

static void
check_template(struct config_parser *p, struct subject of, const char *text, bool is_topic)
{
	char why[WHY_SIZE], name[CONFIG_LIST_TEXT];
	struct template *t = template_new(text, why, sizeof why);
	struct bytes none = {NULL, 0};

	if (!is_good(p, of)) {
		template_free(t);
		return;
	}
	if (t == NULL) {
		complain(p, of, "%s", why);
		return;
	}
	/* What is put in has good characters only; here is the rest. */
	(void)template_run(t, none, none, none, name, sizeof name);
	if (is_topic && name[strspn(name, topic_chars)] != '\0')
		complain(p, of, "a topic has letters, digits and . _ - only");
	else if (is_topic && strlen(name) > TOPIC_MAX)
		complain(p, of, "a topic has at most %d bytes", TOPIC_MAX);
	template_free(t);
}

static void
check_pointer(struct config_parser *p, struct subject of, const char *text)
{
	struct pick *pick = pick_new();
	char why[WHY_SIZE];

	if (text[0] != '\0' && is_good(p, of) && pick_add(pick, text, why, sizeof why) == -1)
		complain(p, of, "%s", why);
	pick_free(pick);
}

/*------------------------------------------------------- names and values */

/* A name of ClickHouse: letters, digits, _, no digit first. */
static bool
is_identifier(const char *text)
{
	const char *p;

	for (p = text; *p != '\0'; p++)
		if (strchr(lower, *p) == NULL && strchr(upper, *p) == NULL && *p != '_' &&
		    (p == text || strchr("0123456789", *p) == NULL))
			return false;
	return p != text;
}

/* "NAME VALUE", the name of `chars`. */
static void
check_pairs(struct config_parser *p, struct subject of, const struct config_list *list,
    const char *chars, const char *example)
{
	char q[CONFIG_ERRORS_QUOTE_SIZE];
	int i, j;

	for (i = 0; i < list->n; i++) {
		const char *text = list->at[i];
		size_t len = strspn(text, chars);

		if (len == 0 || text[len] != ' ' || text[len + strspn(text + len, " ")] == '\0') {
			complain_line(p, of, i, "%s is not a name and a value (try %s)",
			    config_errors_quote(text, q), example);
			continue;
		}
		if (memmem(text, len, "password", 8) != NULL)
			complain_line(p, of, i,
			    "a password does not stand here: write "
			    "password-file");
		for (j = 0; j < i; j++)
			if (strncmp(list->at[j], text, len + 1) == 0)
				complain_line(p, of, i, "%.*s stands here twice", (int)len, text);
	}
}

static void
check_options(struct config_parser *p, int at)
{
	const struct config_list *list = &p->cfg->sink[at].option;
	struct subject of = OF(at, option);
	const char *instead;
	size_t len;
	int i;

	check_pairs(
	    p, of, list, "abcdefghijklmnopqrstuvwxyz0123456789_.", "socket.keepalive.enable true");
	for (i = 0; i < list->n; i++) {
		len = strcspn(list->at[i], " ");
		if ((instead = kafka_option_refused(list->at[i], len)) != NULL)
			complain_line(p, of, i, "%.*s: %s; take the line out", (int)len,
			    list->at[i], instead);
	}
}

/* "Name: value" of HTTP. */
static void
check_headers(struct config_parser *p, int at)
{
	static const char *const ours[] = {
	    "Host", "Content-Length", "Transfer-Encoding", "Content-Encoding", "Connection"};
	const struct config_list *list = &p->cfg->sink[at].header;
	struct subject of = OF(at, header);
	char q[CONFIG_ERRORS_QUOTE_SIZE];
	size_t len, k;
	int i;

	for (i = 0; i < list->n; i++) {
		const char *text = list->at[i];

		for (len = 0; text[len] != '\0'; len++)
			if (strchr(lower, text[len]) == NULL && strchr(upper, text[len]) == NULL &&
			    strchr("0123456789-_.", text[len]) == NULL)
				break;
		if (len == 0 || text[len] != ':')
			complain_line(p, of, i, "%s is not a header field (try X-Source: sluice)",
			    config_errors_quote(text, q));
		for (k = 0; k < sizeof ours / sizeof ours[0]; k++)
			if (strlen(ours[k]) == len && strncasecmp(ours[k], text, len) == 0)
				complain_line(p, of, i, "%s is ours to write", ours[k]);
	}
}

static void
check_columns(struct config_parser *p, int at)
{
	const struct config_list *list = &p->cfg->sink[at].column;
	struct column *columns = xcalloc(CONFIG_LIST_MAX, sizeof *columns);
	char why[WHY_SIZE];
	int i, j;

	for (i = 0; i < list->n; i++) {
		if (column_parse(list->at[i], &columns[i], why, sizeof why) == -1) {
			columns[i].name[0] = '\0';
			complain_line(p, OF(at, column), i, "%s", why);
			continue;
		}
		for (j = 0; j < i; j++)
			if (strcmp(columns[i].name, columns[j].name) == 0)
				complain_line(p, OF(at, column), i, "there is a column %s already",
				    columns[i].name);
	}
	free(columns);
}

static void
check_status(struct config_parser *p, int at)
{
	const struct config_list *list = &p->cfg->sink[at].status;
	struct status_map map;
	char why[WHY_SIZE];
	int i;

	status_map_init(&map);
	for (i = 0; i < list->n; i++)
		if (status_map_add(&map, list->at[i], why, sizeof why) == -1)
			complain_line(p, OF(at, status), i, "%s", why);
}

void
config_check_sink_texts(struct config_parser *p, int at)
{
	const struct config_sink *s = &p->cfg->sink[at];
	char q[CONFIG_ERRORS_QUOTE_SIZE];

	check_servers(p, at);
	check_match(p, at);
	check_template(p, OF(at, stream), s->stream, false);
	check_template(p, OF(at, topic), s->topic, true);
	check_pointer(p, OF(at, key), s->key);
	if (!is_identifier(s->ch_database) && is_good(p, OF(at, ch_database)))
		complain(p, OF(at, ch_database), "%s is not letters, digits and _",
		    config_errors_quote(s->ch_database, q));
	if (!is_identifier(s->ch_table) && is_good(p, OF(at, ch_table)))
		complain(p, OF(at, ch_table), "%s is not letters, digits and _",
		    config_errors_quote(s->ch_table, q));
	check_columns(p, at);
	check_pairs(p, OF(at, setting), &s->setting, "abcdefghijklmnopqrstuvwxyz0123456789_",
	    "max_threads 4");
	check_options(p, at);
	check_headers(p, at);
	check_status(p, at);
}
