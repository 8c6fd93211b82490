/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	config_check_sink - the numbers of a sink, and what its kind makes of them
 *
 * PROCESS
 *	Those that load a configuration.
 *
 * SHARED STATE
 *	None.
 */
#include "common/config_check_parts.h"
#include "common/config_errors.h"
#include "common/config_value.h"
#include "common/units.h"

#include <string.h>

#define OF(at, field) CONFIG_CHECK_SINK(at, field)
#define subject       config_check_subject
#define is_written    config_check_is_written
#define is_good       config_check_is_good
#define written_of    config_check_written_of
#define complain      config_check_complain

/* The kinds that have a key, for people. */
static void
list_kinds(const struct config_key *key, char *buf, size_t size)
{
	const struct config_word *w = config_table_words(CONFIG_TYPE_SINK_KIND);
	int left = __builtin_popcount(key->kinds & ((1U << CONFIG_SINK_KINDS) - 1));
	size_t at = 0;

	for (buf[0] = '\0'; w->word != NULL && at < size; w++) {
		if ((key->kinds & 1U << w->value) == 0)
			continue;
		left--;
		at += (size_t)snprintf(buf + at, size - at, "%s%s", w->word,
		    left == 0   ? ""
		    : left == 1 ? " and "
				: ", ");
	}
}

/* Refuses keys of other kinds and puts in the defaults of this one. */
static void
settle_kind(struct config_parser *p, int at)
{
	struct config_sink *s = &p->cfg->sink[at];
	const struct config_key *key;
	struct subject of;
	char kinds[128];
	int k;

	for (k = 0; k < CONFIG_KEYS; k++) {
		key = &config_table_keys[k];
		of = (struct subject){CONFIG_PARSE_SINKS + at, (enum config_key_id)k};
		if (key->section != CONFIG_SECTION_sink)
			continue;
		if (!is_written(p, of)) {
			config_value_default(key, s,
			    (key->kinds & 1U << s->kind) != 0
				? s->kind
				: (enum config_sink_kind)__builtin_ctz(key->kinds));
			continue;
		}
		if ((key->kinds & 1U << s->kind) != 0)
			continue;
		list_kinds(key, kinds, sizeof kinds);
		complain(p, of, "is for kind %s, this sink is %s", kinds,
		    config_sink_kind_word(s->kind));
	}
}

static uint64_t
largest_event(const struct config *cfg)
{
	uint64_t most = 0;
	int i;

	for (i = 0; i < cfg->listens; i++)
		if (cfg->listen[i].max_event_bytes > most)
			most = cfg->listen[i].max_event_bytes;
	return most;
}

static void
check_batch(struct config_parser *p, int at)
{
	struct config_sink *s = &p->cfg->sink[at];
	struct subject events = OF(at, batch_events), bytes = OF(at, batch_bytes);
	struct subject flight = OF(at, in_flight);
	uint64_t most = largest_event(p->cfg);
	char a[UNITS_TEXT_SIZE], b[UNITS_TEXT_SIZE];

	if (s->kind == CONFIG_SINK_ROUTE && s->format != CONFIG_FORMAT_EVENT &&
	    !is_written(p, events))
		s->batch_events = 100;
	if (s->kind == CONFIG_SINK_ROUTE && s->format == CONFIG_FORMAT_EVENT &&
	    s->batch_events > 1 && is_good(p, events) && is_good(p, OF(at, format)))
		complain(p, events,
		    "format event sends one event in a request: write format array or ndjson");
	/* What nobody wrote gives way. */
	if (s->batch_events > s->in_flight && !is_written(p, events))
		s->batch_events = s->in_flight;
	if (s->batch_events > s->in_flight && !is_written(p, flight))
		s->in_flight = s->batch_events;
	if (s->batch_events > s->in_flight && is_good(p, events) && is_good(p, flight))
		complain(p, events, "a batch of %d events is more than in-flight %d",
		    s->batch_events, s->in_flight);
	if (s->batch_bytes < most && !is_written(p, bytes))
		s->batch_bytes = most;
	if (s->batch_bytes < most && is_good(p, bytes))
		complain(p, bytes, "%s is less than the longest event (max-event %s)",
		    units_print_size((int64_t)s->batch_bytes, a),
		    units_print_size((int64_t)most, b));
}

static void
check_times(struct config_parser *p, int at)
{
	const struct config_sink *s = &p->cfg->sink[at];
	struct subject min = OF(at, retry_min_ms), max = OF(at, retry_max_ms);
	struct subject blame = written_of(p, min, max);
	char a[UNITS_TEXT_SIZE], b[UNITS_TEXT_SIZE];

	if (s->retry_min_ms > s->retry_max_ms && is_good(p, min) && is_good(p, max))
		complain(p, blame, "retry-min %s is more than retry-max %s",
		    units_print_time(s->retry_min_ms, a), units_print_time(s->retry_max_ms, b));
}

static void
check_route(struct config_parser *p, int at)
{
	const struct config_sink *s = &p->cfg->sink[at];
	struct subject how = OF(at, compression);

	if (s->kind != CONFIG_SINK_ROUTE)
		return;
	if (s->compression != CONFIG_COMPRESSION_NONE &&
	    s->compression != CONFIG_COMPRESSION_GZIP && is_good(p, how))
		complain(p, how, "kind route can do none and gzip");
}

/* A name alone logs nobody in. */
static void
check_kafka(struct config_parser *p, int at)
{
	const struct config_sink *s = &p->cfg->sink[at];
	struct subject user = OF(at, user), file = OF(at, password_file);

	if (s->kind == CONFIG_SINK_KAFKA && s->user[0] != '\0' && s->password_file[0] == '\0' &&
	    is_good(p, user) && is_good(p, file))
		complain(p, user, "user %s needs a password: write password-file too", s->user);
}

/* Claims are made in one place, or two of them would each refuse the other's events. */
static void
check_claimer(struct config_parser *p, int at)
{
	int i;

	if (p->cfg->sink[at].kind != CONFIG_SINK_REDIS)
		return;
	for (i = 0; i < at; i++)
		if (p->cfg->sink[i].kind == CONFIG_SINK_REDIS && is_written(p, OF(i, kind)) &&
		    is_good(p, OF(i, kind))) {
			complain(p, OF(at, kind),
			    "sink \"%s\" is of kind redis already, and one claims for all (to add "
			    "events to a stream write redis-stream)",
			    p->cfg->sink[i].name);
			return;
		}
}

/* To promise delivery there must be a sink to wait for. */
static void
check_promises(struct config_parser *p)
{
	const struct config *cfg = p->cfg;
	struct subject max;
	bool is_sure = true, has_required = false;
	int i;

	for (i = 0; i < cfg->sinks; i++) {
		has_required = has_required || cfg->sink[i].required;
		is_sure = is_sure && is_good(p, OF(i, required));
	}
	for (i = 0; i < cfg->listens; i++) {
		max = CONFIG_CHECK_LISTEN(i, max_ack);
		if (is_sure && !has_required && is_good(p, max) &&
		    cfg->listen[i].max_ack == CONFIG_ACK_DELIVERED)
			complain(p, max,
			    "delivered needs a sink to wait for: write required yes in a section "
			    "sink");
	}
}

static void
check_deadletter(struct config_parser *p)
{
	const struct config_deadletter *d = &p->cfg->deadletter;
	struct subject redis = CONFIG_CHECK_ONE(deadletter, copy_redis);
	struct subject kafka = CONFIG_CHECK_ONE(deadletter, copy_kafka);
	char brokers[CONFIG_LIST_TEXT], *rest = brokers, *broker, q[CONFIG_ERRORS_QUOTE_SIZE];
	const char *why;

	if (d->copy_redis[0] != '\0' && (why = config_check_server(d->copy_redis, true)) != NULL)
		complain(p, redis, "%s %s", config_errors_quote(d->copy_redis, q), why);
	if (d->copy_kafka[0] == '\0')
		return;
	(void)snprintf(brokers, sizeof brokers, "%s", d->copy_kafka);
	while ((broker = strsep(&rest, ",")) != NULL)
		if ((why = config_check_server(broker, false)) != NULL) {
			complain(p, kafka, "%s %s", config_errors_quote(broker, q), why);
			return;
		}
}

void
config_check_sinks(struct config_parser *p)
{
	int i;

	for (i = 0; i < p->cfg->sinks; i++) {
		if (!is_good(p, OF(i, kind)))
			continue;
		if (!is_written(p, OF(i, kind))) {
			complain(p, OF(i, kind),
			    "sink \"%s\" has no kind: write kind redis, redis-stream, clickhouse, "
			    "kafka or route",
			    p->cfg->sink[i].name);
			continue;
		}
		settle_kind(p, i);
		check_claimer(p, i);
		check_batch(p, i);
		check_times(p, i);
		check_route(p, i);
		check_kafka(p, i);
		config_check_sink_texts(p, i);
	}
	check_promises(p);
	check_deadletter(p);
}
