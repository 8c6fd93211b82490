/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	clickhouse_host - servers: which one, what it can, the table there
 *
 * DESCRIPTION
 *	A server is asked once before it gets rows, and again after it failed:
 *	its version and settings, the table's engine and columns.  A table that
 *	is not there is made when the configuration says so.
 *
 * PROCESS
 *	The ClickHouse sink.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/clickhouse_parts.h"

#include "common/log.h"
#include "common/panic.h"

#include <stdio.h>
#include <stdlib.h>

#define TEXT_MAX (512u * 1024)

static void
add_header(struct curl_slist **list, const char *name, const char *value)
{
	char line[400];
	struct curl_slist *longer;

	(void)snprintf(line, sizeof line, "%s: %s", name, value);
	longer = curl_slist_append(*list, line);
	if (longer == NULL)
		fatal("no memory");
	*list = longer;
}

static void
woke(void *arg)
{
	sink_woke(arg);
}

void
clickhouse_host_start(struct clickhouse *ch)
{
	const struct config_sink *cfg = ch->s->cfg;

	ch->loop = curl_loop_new(ch->s->base, 2, 2, woke, ch->s);
	add_header(&ch->headers, "Content-Type", "application/octet-stream");
	if (cfg->user[0] != '\0')
		add_header(&ch->headers, "X-ClickHouse-User", cfg->user);
	if (ch->password[0] != '\0')
		add_header(&ch->headers, "X-ClickHouse-Key", ch->password);
	for (struct curl_slist *h = ch->headers; h != NULL; h = h->next) {
		struct curl_slist *longer = curl_slist_append(ch->headers_gzip, h->data);

		if (longer == NULL)
			fatal("no memory");
		ch->headers_gzip = longer;
	}
	add_header(&ch->headers_gzip, "Content-Encoding", "gzip");
	for (int i = 0; i < cfg->server.n && i < CLICKHOUSE_HOSTS_MAX; i++) {
		struct clickhouse_host *h = &ch->host[ch->hosts++];
		size_t n = (size_t)snprintf(h->url, sizeof h->url, "%s", cfg->server.at[i]);

		while (n > 0 && h->url[n - 1] == '/')
			h->url[--n] = '\0';
	}
	text_init(&ch->url, TEXT_MAX);
	text_init(&ch->query, TEXT_MAX);
}

struct clickhouse_host *
clickhouse_host_at(struct clickhouse *ch)
{
	return &ch->host[ch->at];
}

bool
clickhouse_host_next(struct clickhouse *ch)
{
	uint64_t now_ns = clock_mono_ns();
	struct clickhouse_host *h = clickhouse_host_at(ch);

	h->is_ready = false;
	h->is_bad = true;
	h->bad_until_ns = now_ns + (uint64_t)ch->s->cfg->breaker_open_ms * CLOCK_NS_PER_MS;
	ch->stayed = 0;
	for (int i = 1; i < ch->hosts; i++) {
		int k = (ch->at + i) % ch->hosts;

		if (ch->host[k].is_bad && now_ns < ch->host[k].bad_until_ns)
			continue;
		ch->at = k;
		return true;
	}
	/* All have failed of late: the next attempt begins with the one behind this. */
	ch->at = (ch->at + 1) % ch->hosts;
	return false;
}

enum config_compression
clickhouse_host_packing(const struct clickhouse *ch)
{
	const struct clickhouse_features *f = &ch->host[ch->at].has;

	switch (ch->s->cfg->compression) {
	case CONFIG_COMPRESSION_AUTO:
		return f->has_native ? CONFIG_COMPRESSION_LZ4 : CONFIG_COMPRESSION_GZIP;
	case CONFIG_COMPRESSION_LZ4:
	case CONFIG_COMPRESSION_ZSTD:
		return f->has_native ? ch->s->cfg->compression : CONFIG_COMPRESSION_GZIP;
	default:
		return ch->s->cfg->compression;
	}
}

const char *
clickhouse_host_words(const struct curl_reply *r, char *buf, size_t size)
{
	if (r->status == 0)
		(void)snprintf(buf, size, "%s", r->error);
	else if (r->body.len == 0)
		(void)snprintf(buf, size, "status %ld", r->status);
	else
		clickhouse_error_text(r->body, buf, size);
	return buf;
}

/*---- Questions before the first insert */

bool
clickhouse_host_send(struct clickhouse *ch, enum clickhouse_call what, const char *url,
    const struct bytes *piece, size_t pieces, struct curl_slist *headers)
{
	const struct config_sink *cfg = ch->s->cfg;
	struct curl_request q = {.url = url,
	    .headers = headers,
	    .body = piece,
	    .pieces = pieces,
	    .ca_file = cfg->ca_file,
	    .connect_timeout_ms = (long)cfg->connect_timeout_ms,
	    .timeout_ms = (long)cfg->timeout_ms,
	    .body_max = CLICKHOUSE_ANSWER_MAX,
	    .done = clickhouse_send_answered,
	    .ctx = ch};

	ch->call = curl_loop_send(ch->loop, &q);
	if (ch->call == NULL) {
		ch->is_waiting = true;
		sink_misconfigured(ch->s, "%s: cannot be asked: is it an http:// URL?",
		    clickhouse_host_at(ch)->url);
		return false;
	}
	ch->calling = what;
	ch->called_ns = clock_mono_ns();
	return true;
}

/* ch->query as the whole of a request. */
static void
ask(struct clickhouse *ch, enum clickhouse_call what)
{
	ch->url.len = 0;
	text_add(&ch->url, "%s/?query=", clickhouse_host_at(ch)->url);
	clickhouse_table_url_encode(&ch->url, ch->query.buf);
	(void)clickhouse_host_send(ch, what, ch->url.buf, NULL, 0, ch->headers);
}

bool
clickhouse_host_ready(struct clickhouse *ch)
{
	if (clickhouse_host_at(ch)->is_ready)
		return true;
	if (ch->call != NULL)
		return false;
	ch->query.len = 0;
	clickhouse_table_probe(ch->sent != NULL ? ch->sent->table : ch->table, &ch->query);
	ask(ch, CLICKHOUSE_PROBE);
	return false;
}

static void
wrong_table(struct clickhouse *ch, const char *what)
{
	struct text_out ddl;

	/* In full once, not at each probe. */
	if (strncmp(ch->told, what, sizeof ch->told - 1) != 0) {
		(void)snprintf(ch->told, sizeof ch->told, "%s", what);
		text_init(&ddl, TEXT_MAX);
		clickhouse_table_create(ch->table, &clickhouse_host_at(ch)->has, &ddl);
		for (size_t i = 0; i < ddl.len; i++)
			if (ddl.buf[i] == '\n')
				ddl.buf[i] = ' ';
		log_line(LOG_LEVEL_ERR, "table %s.%s: %s: this would do: %s", ch->table->database,
		    ch->table->name, what, ddl.buf);
		text_free(&ddl);
	}
	ch->is_waiting = true;
	sink_misconfigured(ch->s, "table %s.%s: %s (see sluicectl clickhouse-ddl --sink %s)",
	    ch->table->database, ch->table->name, what, ch->s->cfg->name);
}

static void
say_features(struct clickhouse *ch)
{
	const struct clickhouse_host *h = clickhouse_host_at(ch);

	log_line(LOG_LEVEL_INFO, "%s: ClickHouse %s: %s", h->url, h->has.version,
	    !h->has.has_token     ? "it knows no tokens: after a crash a batch may be there twice"
	    : h->has.keeps_tokens ? "inserts carry tokens, and the table remembers them"
				  : "inserts carry tokens, but the table remembers none: set "
				    "non_replicated_deduplication_window");
}

static void
probed(struct clickhouse *ch, const struct curl_reply *r)
{
	struct clickhouse_host *h = clickhouse_host_at(ch);
	const struct clickhouse_table *t = ch->sent != NULL ? ch->sent->table : ch->table;
	struct text_out differences;

	text_init(&differences, 4096);
	if (clickhouse_table_check(t, r->body, &h->has, &differences) != 0) {
		for (size_t i = 0; i + 1 < differences.len; i++)
			if (differences.buf[i] == '\n')
				differences.buf[i] = ',';
		differences.buf[differences.len - 1] = '\0';
		wrong_table(ch, differences.buf);
	} else if (!h->has.has_table && ch->s->cfg->create) {
		ch->query.len = 0;
		clickhouse_table_create_database(t, &ch->query);
		ask(ch, CLICKHOUSE_CREATE_DATABASE);
	} else if (!h->has.has_table) {
		wrong_table(ch, "it is not there, or may not be seen");
	} else {
		h->is_ready = true;
		ch->told[0] = '\0';
		h->is_bad = false;
		say_features(ch);
	}
	text_free(&differences);
}

/* An answer to anything but an insert, and a good one. */
void
clickhouse_host_answered(struct clickhouse *ch, const struct curl_reply *r)
{
	enum clickhouse_call what = ch->calling;

	switch (what) {
	case CLICKHOUSE_PROBE:
		probed(ch, r);
		return;
	case CLICKHOUSE_CREATE_DATABASE:
		ch->query.len = 0;
		clickhouse_table_create(ch->sent != NULL ? ch->sent->table : ch->table,
		    &clickhouse_host_at(ch)->has, &ch->query);
		ask(ch, CLICKHOUSE_CREATE_TABLE);
		return;
	case CLICKHOUSE_CREATE_TABLE:
		log_line(
		    LOG_LEVEL_NOTICE, "table %s.%s made", ch->table->database, ch->table->name);
		ch->query.len = 0;
		clickhouse_table_probe(ch->sent != NULL ? ch->sent->table : ch->table, &ch->query);
		ask(ch, CLICKHOUSE_PROBE);
		return;
	default:
		PANIC("an answer to no question");
	}
}
