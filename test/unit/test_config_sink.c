/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	test_config_sink - limits of the sections sink and deadletter, and defaults by kind
 *
 * DESCRIPTION
 *	What is wrong in words is tested by test/config; here stand the numbers:
 *	each limit at its edge and one beyond.
 *
 * PROCESS
 *	A test.
 *
 * SHARED STATE
 *	None.
 */
#include "common/column.h"
#include "common/config.h"
#include "common/match.h"
#include "common/pick.h"
#include "common/template.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define MINIMAL "listen public\nbind 127.0.0.1:3001\n"

static struct config_errors errs;
static struct config *cfg;

static void
setup(void)
{
	errs = (struct config_errors){0};
	cfg = NULL;
}

static void
teardown(void)
{
	config_errors_free(&errs);
	config_free(cfg);
	cfg = NULL;
}

static enum config_result
load(const char *text)
{
	teardown();
	return config_parse_memory("t", text, strlen(text), &cfg, &errs);
}

static void
must_load(const char *text)
{
	enum config_result result = load(text);

	ck_assert_msg(result == CONFIG_OK, "%s", errs.n > 0 ? errs.text[0] : "no reason given");
}

/* Refused with one error, which is `why`. */
static void
must_refuse(const char *text, const char *why)
{
	ck_assert_int_eq(load(text), CONFIG_INVALID);
	ck_assert_ptr_null(cfg);
	ck_assert_str_eq(errs.text[0], why);
	ck_assert_int_eq(errs.n, 1);
}

static char *
print(const struct config *of)
{
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	config_print(of, to);
	(void)fclose(to);
	return text;
}

START_TEST(without_sinks_nothing_is_delivered)
{
	must_load(MINIMAL);
	ck_assert_int_eq(cfg->sinks, 0);
	ck_assert_int_eq(cfg->deadletter.invalid, 0);
	ck_assert_int_eq(cfg->listen[0].max_ack, CONFIG_ACK_DURABLE);
	ck_assert_int_eq(config_claim_sink(cfg), -1);
	ck_assert_int_eq(cfg->deadletter.retain_ms, 168 * 3600000LL);
}
END_TEST

START_TEST(each_kind_has_its_defaults)
{
	static const struct {
		const char *kind;
		int events;
		uint64_t bytes;
		int64_t linger_ms, timeout_ms;
		int in_flight, attempts;
		const char *server;
	} kinds[CONFIG_SINK_KINDS] = {
	    {"redis", 1000, 1048576, 0, 500, 20000, 0, "127.0.0.1:6379"},
	    {"redis-stream", 1000, 1048576, 1, 1000, 20000, 0, "127.0.0.1:6379"},
	    {"clickhouse", 50000, 16777216, 1000, 30000, 200000, 0, "http://127.0.0.1:8123"},
	    {"kafka", 10000, 1048576, 5, 30000, 100000, 0, "127.0.0.1:9092"},
	    {"route", 1, 1048576, 0, 5000, 1000, 10, "http://h/"},
	};
	const struct config_sink *s;
	char text[256];

	(void)snprintf(text, sizeof text, MINIMAL "sink s\nkind %s\n%s", kinds[_i].kind,
	    _i == CONFIG_SINK_ROUTE ? "server http://h/\n" : "");
	must_load(text);
	ck_assert_int_eq(cfg->sinks, 1);
	s = &cfg->sink[0];
	ck_assert_int_eq(s->kind, _i);
	ck_assert_str_eq(config_sink_kind_word(s->kind), kinds[_i].kind);
	ck_assert_str_eq(s->name, "s");
	ck_assert_int_eq(s->batch_events, kinds[_i].events);
	ck_assert_uint_eq(s->batch_bytes, kinds[_i].bytes);
	ck_assert_int_eq(s->linger_ms, kinds[_i].linger_ms);
	ck_assert_int_eq(s->timeout_ms, kinds[_i].timeout_ms);
	ck_assert_int_eq(s->in_flight, kinds[_i].in_flight);
	ck_assert_int_eq(s->attempts, kinds[_i].attempts);
	ck_assert_int_eq(s->server.n, 1);
	ck_assert_str_eq(s->server.at[0], kinds[_i].server);
	ck_assert_int_eq(s->event_type.n, 0);
	ck_assert_int_eq(s->where.n, 0);
	ck_assert_int_eq(s->required, 0);
	ck_assert_int_eq(s->from, CONFIG_FROM_NOW);
	ck_assert_int_eq(config_claim_sink(cfg), _i == CONFIG_SINK_REDIS ? 0 : -1);
}
END_TEST

/* What the checks let through is good for those who use it. */
START_TEST(what_is_a_default_can_be_used)
{
	struct column c;
	char why[128];
	int i;

	must_load(MINIMAL "sink c\nkind clickhouse\n");
	ck_assert_str_eq(cfg->sink[0].ch_table, "raw_events");
	ck_assert_int_eq(cfg->sink[0].column.n, 4);
	for (i = 0; i < 4; i++)
		ck_assert_int_eq(column_parse(cfg->sink[0].column.at[i], &c, why, sizeof why), 0);
	ck_assert_str_eq(c.name, "metadata");
	ck_assert_str_eq(c.pointer, "/metadata");
}
END_TEST

START_TEST(a_line_replaces_the_lines_of_the_default)
{
	must_load(MINIMAL "sink c\nkind clickhouse\ncolumn a String from /a\n"
			  "server http://a:1\nserver http://b:2\n");
	ck_assert_int_eq(cfg->sink[0].column.n, 1);
	ck_assert_int_eq(cfg->sink[0].server.n, 2);
	ck_assert_str_eq(cfg->sink[0].server.at[1], "http://b:2");
}
END_TEST

START_TEST(what_nobody_wrote_gives_way)
{
	must_load(MINIMAL "max-event 4m\nmax-body 8m\nsink c\nkind kafka\nin-flight 10\n");
	ck_assert_int_eq(cfg->sink[0].batch_events, 10);
	ck_assert_uint_eq(cfg->sink[0].batch_bytes, 4 * 1024 * 1024);
	must_load(MINIMAL "sink c\nkind redis\nbatch-events 30000\n");
	ck_assert_int_eq(cfg->sink[0].in_flight, 30000);
	must_load(MINIMAL "sink c\nkind route\nserver http://h\nformat ndjson\n");
	ck_assert_int_eq(cfg->sink[0].batch_events, 100);
	must_load(MINIMAL "sink c\nkind route\nserver http://h\nformat array\nbatch-events 7\n");
	ck_assert_int_eq(cfg->sink[0].batch_events, 7);
	must_load(MINIMAL "sink c\nkind redis\nbatch-events 100\nin-flight 100\n");
	must_refuse(MINIMAL "sink c\nkind redis\nbatch-events 101\nin-flight 100\n",
	    "t:5: batch-events: a batch of 101 events is more than in-flight 100");
	must_load(MINIMAL "sink c\nkind redis\nbatch-bytes 256k\n");
	must_refuse(MINIMAL "sink c\nkind redis\nbatch-bytes 262143b\n",
	    "t:5: batch-bytes: 262143b is less than the longest event (max-event 256k)");
}
END_TEST

START_TEST(thirty_one_sinks_and_no_more)
{
	char text[4096] = MINIMAL, line[64];
	int i;

	for (i = 0; i < CONFIG_SINK_MAX; i++) {
		(void)snprintf(line, sizeof line, "sink s%d\nkind kafka\n", i);
		(void)strncat(text, line, sizeof text - strlen(text) - 1);
	}
	must_load(text);
	ck_assert_int_eq(cfg->sinks, CONFIG_SINK_MAX);
	ck_assert_str_eq(cfg->sink[30].name, "s30");
	(void)strncat(text, "sink more\nkind kafka\n", sizeof text - strlen(text) - 1);
	must_refuse(text, "t:65: sink: at most 31 sinks are possible");
}
END_TEST

/* Each key that may be repeated: a line that is good `n` times. */
static const struct {
	const char *kind, *key, *line;
} lists[] = {
    {"kafka", "match-type", "type_%d"},
    {"kafka", "match", "/a%d exists"},
    {"kafka", "server", "host%d:9092"},
    {"redis", "server", "host%d:6379"},
    {"clickhouse", "server", "http://host%d:8123"},
    {"clickhouse", "column", "c%d String from /a"},
    {"clickhouse", "setting", "setting_%d 1"},
    {"kafka", "option", "some.option.%d 1"},
    {"route", "header", "X-%d: 1"},
    {"route", "status", "4%02d drop"},
    {"route", "server", "http://host%d/"},
};

START_TEST(a_list_has_32_lines_and_no_more)
{
	static const int counts[] = {31, 32, 33};
	char text[4096], line[128], why[128];
	size_t c;
	int i;

	for (c = 0; c < 3; c++) {
		(void)snprintf(text, sizeof text, MINIMAL "sink s\nkind %s\n%s", lists[_i].kind,
		    strcmp(lists[_i].kind, "route") == 0 && strcmp(lists[_i].key, "server") != 0
			? "server http://h/\n"
			: "");
		for (i = 0; i < counts[c]; i++) {
			(void)snprintf(line, sizeof line, "%s ", lists[_i].key);
			(void)strncat(text, line, sizeof text - strlen(text) - 1);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
			(void)snprintf(line, sizeof line, lists[_i].line, i);
#pragma GCC diagnostic pop
			(void)strncat(text, line, sizeof text - strlen(text) - 1);
			(void)strncat(text, "\n", sizeof text - strlen(text) - 1);
		}
		if (counts[c] <= CONFIG_LIST_MAX) {
			must_load(text);
			continue;
		}
		ck_assert_int_eq(load(text), CONFIG_INVALID);
		(void)snprintf(
		    why, sizeof why, "%s: 32 lines of it are allowed in a section", lists[_i].key);
		ck_assert_ptr_nonnull(strstr(errs.text[0], why));
		ck_assert_int_eq(errs.n, 1);
	}
}
END_TEST

/* A text of exactly `len` bytes in place of the %s. */
static const struct {
	const char *kind, *key, *head;
	size_t max;
} texts[] = {
    {"kafka", "match-type", "", 255},
    {"kafka", "match", "/a = ", 255},
    {"clickhouse", "setting", "s ", 255},
    {"kafka", "option", "o ", 255},
    {"route", "header", "X: ", 255},
    {"redis-stream", "stream", "", 255},
    {"kafka", "topic", "", 249},
    {"kafka", "key", "/", 255},
    {"redis", "prefix", "", 63},
    {"redis", "cache-prefix", "", 63},
    {"redis", "user", "", 63},
    {"clickhouse", "database", "", 63},
    {"clickhouse", "table", "", 63},
    {"kafka", "ca-file", "/", 255},
    {"kafka", "password-file", "/", 255},
};

START_TEST(a_text_is_taken_up_to_its_limit)
{
	char text[1024], value[300];
	size_t head = strlen(texts[_i].head);
	int more;

	for (more = -1; more <= 1; more++) {
		size_t len = texts[_i].max + (size_t)more;

		memset(value, 'a', sizeof value);
		memcpy(value, texts[_i].head, head);
		value[len] = '\0';
		(void)snprintf(text, sizeof text, MINIMAL "sink s\nkind %s\n%s%s '%s'\n",
		    texts[_i].kind,
		    strcmp(texts[_i].kind, "route") == 0 ? "server http://h/\n" : "", texts[_i].key,
		    value);
		ck_assert_int_eq(load(text), more <= 0 ? CONFIG_OK : CONFIG_INVALID);
	}
}
END_TEST

static const struct {
	const char *key, *below, *least, *most, *above;
} edges[] = {
    {"batch-events", "0", "1", "100000", "1000001"},
    {"batch-bytes", "4095b", "256k", "1g", "1073741825b"},
    {"linger", NULL, "0", "3599999ms", "1h"},
    {"in-flight", "0", "1", "1000000", "1000001"},
    {"timeout", "0", "1ms", "1h", "3600001ms"},
    {"connect-timeout", "0", "1ms", "1h", "3600001ms"},
    {"retry-min", "0", "1ms", "30s", "3600001ms"},
    {"retry-max", "0", "200ms", "1h", "3600001ms"},
    {"attempts", NULL, "0", "1000000", "1000001"},
    {"breaker-failures", "0", "1", "1000000", "1000001"},
    {"breaker-open", "0", "1ms", "24h", "25h"},
    {"max-lag-bytes", NULL, "0", "1048576g", "1048577g"},
    {"max-lag-age", NULL, "0", "87600h", "87601h"},
    {"db", NULL, "0", "65535", "65536"},
    {"verdict-timeout", "0", "1ms", "1m", "60001ms"},
    {"cache-ttl", "999ms", "1s", "8760h", "8761h"},
};

START_TEST(each_number_is_taken_up_to_its_edges_and_refused_beyond)
{
	const char *values[] = {edges[_i].below, edges[_i].least, edges[_i].most, edges[_i].above};
	char text[256];
	int i;

	for (i = 0; i < 4; i++) {
		if (values[i] == NULL)
			continue;
		(void)snprintf(text, sizeof text, MINIMAL "sink s\nkind redis\n%s %s\n",
		    edges[_i].key, values[i]);
		ck_assert_int_eq(load(text), i == 1 || i == 2 ? CONFIG_OK : CONFIG_INVALID);
		if (i == 0 || i == 3)
			ck_assert_ptr_nonnull(strstr(errs.text[0], "is out of range"));
	}
}
END_TEST

START_TEST(names_of_other_stages_are_refused)
{
	static const char *const bad[] = {"http", "http0", "http-x", "journal", "admin",
	    "deadletter", "heir", "heir-0", "sluiced", "supervisor", "intake"};
	static const char *const good[] = {"htt", "my-http", "journals", "redis", "a", "0", "-"};
	char text[128], why[128];
	size_t i;

	for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		(void)snprintf(text, sizeof text, MINIMAL "sink %s\nkind kafka\n", bad[i]);
		(void)snprintf(why, sizeof why,
		    "t:3: sink: \"%s\" is the name of another stage: choose another one", bad[i]);
		must_refuse(text, why);
	}
	for (i = 0; i < sizeof good / sizeof good[0]; i++) {
		(void)snprintf(text, sizeof text, MINIMAL "sink %s\nkind kafka\n", good[i]);
		must_load(text);
	}
}
END_TEST

START_TEST(delivered_needs_a_sink_to_wait_for)
{
	must_load("listen a\nbind 127.0.0.1:1\nack delivered\nmax-ack delivered\n"
		  "sink s\nkind kafka\nrequired yes\n");
	ck_assert_int_eq(cfg->listen[0].ack, CONFIG_ACK_DELIVERED);
	ck_assert_int_eq(cfg->listen[0].max_ack, CONFIG_ACK_DELIVERED);
	ck_assert_int_eq(cfg->listen[0].delivered_timeout_ms, 10000);
	ck_assert_str_eq(config_ack_word(CONFIG_ACK_DELIVERED), "delivered");
	must_refuse(MINIMAL "max-ack delivered\nsink s\nkind kafka\n",
	    "t:3: max-ack: delivered needs a sink to wait for: write required yes in a section "
	    "sink");
	must_refuse(MINIMAL "ack delivered\nsink s\nkind kafka\nrequired yes\n",
	    "t:3: ack: ack delivered is more than max-ack durable: write max-ack delivered too");
}
END_TEST

START_TEST(what_is_printed_loads_to_the_same_bytes)
{
	struct config *first;
	char *once, *twice;

	must_load(MINIMAL
	    "sink c\nkind clickhouse\nmatch /a = 'x \\ \"y'\nmatch \"/b ~ \\\"#*\\\"\" # c\n"
	    "match '/c in \"a\", b'\ncolumn a DateTime64(3, 'UTC') from /a # c\n"
	    "setting x 'a  b'\n"
	    "sink r\nserver http://h/%20\nkind route\nheader X:  'a b'   c\nformat array\n"
	    "sink k\nkind kafka\nkey ''\noption a.b \"c\\$d\"\n"
	    "sink x\nkind redis-stream\nstream a%%.%{/x}\n"
	    "deadletter\ncopy-redis unix:/a\\ b\n");
	ck_assert_str_eq(cfg->sink[0].where.at[0], "/a = 'x \\ \"y'");
	ck_assert_str_eq(cfg->sink[0].where.at[1], "/b ~ \"#*\"");
	ck_assert_str_eq(cfg->sink[0].column.at[0], "a DateTime64(3, 'UTC') from /a");
	ck_assert_str_eq(cfg->sink[0].setting.at[0], "x a  b");
	ck_assert_str_eq(cfg->sink[1].header.at[0], "X: a b c");
	first = cfg;
	once = print(first);
	cfg = NULL;
	must_load(once);
	twice = print(cfg);
	ck_assert_str_eq(once, twice);
	ck_assert_int_eq(memcmp(first, cfg, sizeof *cfg), 0);
	config_free(first);
	free(once);
	free(twice);
}
END_TEST

/* A sink that changed is found by comparing its bytes, wherever it stands. */
START_TEST(equal_sinks_are_equal_bytes)
{
	struct config_sink first;

	must_load(MINIMAL "sink a\nkind kafka\ntopic t\n");
	first = cfg->sink[0];
	must_load("sink b\nkind redis\nsink a\ntopic t\nkind kafka\nlinger 5ms\n" MINIMAL);
	ck_assert_int_eq(memcmp(&first, &cfg->sink[1], sizeof first), 0);
	ck_assert_int_eq(config_claim_sink(cfg), 0);
}
END_TEST

#define LOOP(tc, test, table)                                                                      \
	tcase_add_loop_test(tc, test, 0, (int)(sizeof(table) / sizeof((table)[0])))

int
main(void)
{
	Suite *suite = suite_create("config_sink");
	TCase *tc = tcase_create("config_sink");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, without_sinks_nothing_is_delivered);
	tcase_add_loop_test(tc, each_kind_has_its_defaults, 0, CONFIG_SINK_KINDS);
	tcase_add_test(tc, what_is_a_default_can_be_used);
	tcase_add_test(tc, a_line_replaces_the_lines_of_the_default);
	tcase_add_test(tc, what_nobody_wrote_gives_way);
	tcase_add_test(tc, thirty_one_sinks_and_no_more);
	LOOP(tc, a_list_has_32_lines_and_no_more, lists);
	LOOP(tc, a_text_is_taken_up_to_its_limit, texts);
	LOOP(tc, each_number_is_taken_up_to_its_edges_and_refused_beyond, edges);
	tcase_add_test(tc, names_of_other_stages_are_refused);
	tcase_add_test(tc, delivered_needs_a_sink_to_wait_for);
	tcase_add_test(tc, what_is_printed_loads_to_the_same_bytes);
	tcase_add_test(tc, equal_sinks_are_equal_bytes);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
