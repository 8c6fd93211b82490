/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	test_redis - keys that are the same everywhere, and a connection to servers of every kind
 */
#include "common/panic.h"
#include "workers/redis_conn.h"
#include "workers/redis_key.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/*------------------------------------------------------------------- keys */

static struct frame_place
find(const char *body, const char *value)
{
	const char *at = value == NULL ? NULL : strstr(body, value);

	if (at == NULL)
		return (struct frame_place){0, 0};
	return (struct frame_place){(uint32_t)(at - body), (uint32_t)strlen(value)};
}

static const struct {
	const char *id, *user, *type;
	int64_t ms;
	enum config_dedup_key kind;
	uint32_t tenant;
	const char *claim, *cache;
} keys[] = {
    {NULL, "\"u\"", "\"t\"", 7, CONFIG_DEDUP_KEY_AUTO, 0, "event:u:t:7", "u:t:7"},
    {"\"x\"", "\"u\"", "\"t\"", 7, CONFIG_DEDUP_KEY_AUTO, 0, "id:x", "u:t:7"},
    {"\"x\"", "\"u\"", "\"t\"", 7, CONFIG_DEDUP_KEY_ID, 0, "id:x", "u:t:7"},
    {"\"x\"", "\"u\"", "\"t\"", 7, CONFIG_DEDUP_KEY_TUPLE, 0, "event:u:t:7", "u:t:7"},
    {NULL, "\"a:b\"", "\"c\"", 7, CONFIG_DEDUP_KEY_AUTO, 0, "event:a%3Ab:c:7", "a%3Ab:c:7"},
    {NULL, "\"a\"", "\"b:c\"", 7, CONFIG_DEDUP_KEY_AUTO, 0, "event:a:b%3Ac:7", "a:b%3Ac:7"},
    {NULL, "\"a%3Ab\"", "\"c\"", 7, CONFIG_DEDUP_KEY_AUTO, 0, "event:a%253Ab:c:7", "a%253Ab:c:7"},
    {NULL, "\"\\u0041\"", "\"\\\"\"", 7, CONFIG_DEDUP_KEY_AUTO, 0, "event:A:\":7", "A:\":7"},
    {"\"\\u003a\"", "\"u\"", "\"t\"", 7, CONFIG_DEDUP_KEY_AUTO, 9, "tenant:9:id:%3A",
	"tenant:9:u:t:7"},
    {NULL, "\"u\"", "\"t\"", INT64_C(253402300799999), CONFIG_DEDUP_KEY_AUTO, 0,
	"event:u:t:253402300799999", "u:t:253402300799999"},
    {NULL, "5", "\"t\"", 7, CONFIG_DEDUP_KEY_AUTO, 0, "", ""},
    {NULL, NULL, "\"t\"", 7, CONFIG_DEDUP_KEY_AUTO, 0, "", ""},
};

START_TEST(a_key_is_made_of_the_events_words)
{
	char body[1024], at[REDIS_KEY_MAX];
	struct frame_header h = {.event_ms = keys[_i].ms, .tenant = keys[_i].tenant};
	struct bytes b;
	size_t len;

	(void)snprintf(body, sizeof body, "{%s | %s || %s }", keys[_i].id ? keys[_i].id : "",
	    keys[_i].user ? keys[_i].user : "", keys[_i].type);
	h.id = find(body, keys[_i].id);
	h.user_id = find(body, keys[_i].user);
	h.event_type = find(strstr(body, "||"), keys[_i].type);
	if (h.event_type.len > 0)
		h.event_type.off += (uint32_t)(strstr(body, "||") - body);
	b = bytes_str(body);
	len = redis_key_claim(&h, b, keys[_i].kind, at);
	ck_assert_uint_eq(len, strlen(keys[_i].claim));
	ck_assert_mem_eq(at, keys[_i].claim, len);
	len = redis_key_cache(&h, b, at);
	ck_assert_uint_eq(len, strlen(keys[_i].cache));
	ck_assert_mem_eq(at, keys[_i].cache, len);
}
END_TEST

START_TEST(the_longest_key_fits)
{
	char body[2 * (6 * 256 + 2) + 8], at[REDIS_KEY_MAX];
	struct frame_header h = {.event_ms = INT64_C(253402300799999), .tenant = UINT32_MAX};
	size_t len = 0;

	/* 256 colons, each as sent in six bytes and as kept in three. */
	for (int n = 0; n < 2; n++) {
		struct frame_place p = {(uint32_t)len, 6 * 256 + 2};

		body[len++] = '"';
		for (int i = 0; i < 256; i++, len += 6)
			memcpy(body + len, "\\u003a", 6);
		body[len++] = '"';
		*(n == 0 ? &h.user_id : &h.event_type) = p;
	}
	ck_assert_uint_eq(redis_key_claim(&h, bytes_of(body, len), CONFIG_DEDUP_KEY_AUTO, at),
	    strlen("tenant:4294967295:event:::") + 2 * 3 * 256 + 15);
	h.user_id.len = UINT32_MAX; /* a place outside the body */
	ck_assert_uint_eq(redis_key_claim(&h, bytes_of(body, len), CONFIG_DEDUP_KEY_AUTO, at), 0);
}
END_TEST

START_TEST(a_value_holds_the_whole_uuid)
{
	uint8_t uuid[16];
	char text[37], at[REDIS_KEY_VALUE_MAX];
	const char *want = "00010203-0405-0607-0809-0a0b0c0d0e0f:4294967295:18446744073709551615";
	size_t len;

	for (int i = 0; i < 16; i++)
		uuid[i] = (uint8_t)i;
	redis_key_uuid(uuid, text);
	len = redis_key_value(text, UINT32_MAX, UINT64_MAX, at);
	ck_assert_uint_eq(len, REDIS_KEY_VALUE_MAX);
	ck_assert_mem_eq(at, want, len);
}
END_TEST

static const struct {
	const char *text;
	enum redis_error what;
} errors[] = {
    {"WRONGTYPE Operation against a key holding the wrong kind of value", REDIS_ERROR_WRONGTYPE},
    {"OOM command not allowed when used memory > 'maxmemory'.", REDIS_ERROR_LATER},
    {"READONLY You can't write against a read only replica.", REDIS_ERROR_LATER},
    {"LOADING Redis is loading the dataset in memory", REDIS_ERROR_LATER},
    {"CLUSTERDOWN The cluster is down", REDIS_ERROR_LATER},
    {"NOPERM this user has no permissions to run the 'xadd' command", REDIS_ERROR_SETUP},
    {"NOAUTH Authentication required.", REDIS_ERROR_SETUP},
    {"ERR unknown command 'XADD'", REDIS_ERROR_SETUP},
    {"ERR Elements are too large to be stored", REDIS_ERROR_TOO_LARGE},
    {"ERR something new", REDIS_ERROR_OTHER},
    {"", REDIS_ERROR_OTHER},
};

START_TEST(errors_are_told_apart)
{
	ck_assert_int_eq(redis_conn_error(bytes_str(errors[_i].text)), errors[_i].what);
}
END_TEST

/*-------------------------------------------------------------- connection */

static char path[64];
static int listener, served = -1; /* the server's end */
static struct event_base *base;
static struct redis_conn conn;
static struct config_sink cfg;
static unsigned readies, losts, batches, reads;
static uint64_t replies, strings;
static enum redis_lost lost_why;
static char lost_text[256], last_text[256], last_command[256];
static const struct redis_reply *fail_at; /* fail() from within reply() */

static void
on_ready(struct redis_conn *c)
{
	(void)c;
	readies++;
}

static void
on_reply(struct redis_conn *c, const struct redis_reply *r, struct bytes command)
{
	(void)snprintf(last_text, sizeof last_text, "%.*s", (int)r->text.len,
	    (const char *)r->text.ptr);
	(void)snprintf(last_command, sizeof last_command, "%.*s", (int)command.len,
	    (const char *)command.ptr);
	replies++;
	strings += r->kind == REDIS_REPLY_IS_STRING;
	if (fail_at != NULL)
		redis_conn_fail(c, REDIS_LOST_FAILED, "enough");
}

static void
on_batch(struct redis_conn *c, uint64_t commands, uint64_t bytes)
{
	(void)c, (void)commands, (void)bytes;
	batches++;
}

static void
on_read(struct redis_conn *c)
{
	(void)c;
	reads++;
}

static void
on_lost(struct redis_conn *c, enum redis_lost why, const char *text)
{
	(void)c;
	losts++;
	lost_why = why;
	(void)snprintf(lost_text, sizeof lost_text, "%s", text);
}

static void
on_woke(struct redis_conn *c)
{
	(void)c;
}

static const struct redis_conn_ops ops = {on_ready, on_reply, on_batch, on_read, on_lost, on_woke};

static void
setup(void)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};

	(void)snprintf(path, sizeof path, "/tmp/test_redis.%d", (int)getpid());
	(void)snprintf(un.sun_path, sizeof un.sun_path, "%s", path);
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_that(bind(listener, (struct sockaddr *)&un, sizeof un) == 0);
	assert_that(listen(listener, 8) == 0);
	cfg.server.n = 1;
	(void)snprintf(cfg.server.at[0], sizeof cfg.server.at[0], "unix:%s", path);
	cfg.timeout_ms = 60000;
	cfg.connect_timeout_ms = 60000;
	base = event_base_new();
	redis_conn_init(&conn, &cfg, &ops, NULL);
	conn.probe_key = "p";
	redis_conn_start(&conn, base);
}

static void
teardown(void)
{
	redis_conn_free(&conn);
	event_base_free(base);
	close(listener);
	if (served != -1)
		close(served);
	served = -1;
	(void)unlink(path);
}

static void
turn(void)
{
	assert_that(event_base_loop(base, EVLOOP_ONCE) != -1);
}

/* The server has read what was sent (until it ends so), and answers. */
static void
serve(const char *ends, const char *answer)
{
	static char got[1 << 20];
	size_t n = 0, want = strlen(ends);

	while (n < want || memcmp(got + n - want, ends, want) != 0) {
		ssize_t more = recv(served, got + n, sizeof got - n, MSG_DONTWAIT);

		if (more == -1 && errno == EAGAIN) {
			assert_that(event_base_loop(base, EVLOOP_NONBLOCK) != -1);
			continue;
		}
		assert_that(more > 0);
		n += (size_t)more;
	}
	assert_that(send(served, answer, strlen(answer), MSG_NOSIGNAL) == (ssize_t)strlen(answer));
}

static void
open_to(const char *answer)
{
	redis_conn_open(&conn);
	served = accept(listener, NULL, NULL);
	serve("1000\r\n", answer);
}

static void
be_ready(void)
{
	unsigned before = readies;

	open_to("$25\r\nredis_version:7.0.15\r\nx:1\r\n$-1\r\n");
	while (readies == before)
		turn();
}

static void
write_one(const char *text)
{
	uint8_t *at = redis_conn_room(&conn, strlen(text));

	ck_assert_ptr_nonnull(at);
	(void)redis_conn_put(at, text, strlen(text));
	redis_conn_wrote(&conn, strlen(text));
}

START_TEST(replies_come_in_order_however_they_are_cut)
{
	const char *answer = "+OK\r\n$3\r\nabc\r\n$-1\r\n:42\r\n-ERR no\r\n*2\r\n$1\r\na\r\n:1\r\n";

	be_ready();
	ck_assert_str_eq(conn.version, "7.0.15");
	ck_assert(!conn.is_old);
	for (size_t cut = 1; cut < strlen(answer); cut++) {
		uint64_t before = replies;

		for (int i = 0; i < 6; i++)
			write_one("PING\r\n");
		ck_assert(redis_conn_send(&conn));
		serve("PING\r\n", "");
		ck_assert_int_eq(send(served, answer, cut, 0), (ssize_t)cut);
		turn();
		ck_assert_int_eq(send(served, answer + cut, strlen(answer) - cut, 0),
		    (ssize_t)(strlen(answer) - cut));
		while (replies < before + 6)
			turn();
		ck_assert_uint_eq(redis_conn_unanswered(&conn), 0);
		ck_assert_uint_eq(batches, cut);
	}
	ck_assert_uint_eq(losts, 0);
}
END_TEST

START_TEST(an_old_server_is_asked_again)
{
	open_to("$25\r\nredis_version:6.0.16\r\nx:1\r\n-ERR syntax error\r\n");
	serve("1000\r\n", "+OK\r\n");
	while (readies == 0)
		turn();
	ck_assert(conn.is_old);
	ck_assert_str_eq(conn.version, "6.0.16");
}
END_TEST

static const struct {
	const char *answer;
	enum redis_lost why;
	const char *text;
} greetings[] = {
    {"-NOAUTH Authentication required.\r\n", REDIS_LOST_SETUP, "NOAUTH"},
    {"$1\r\nx\r\n-READONLY You can't\r\n", REDIS_LOST_FAILED, "READONLY"},
    {"$1\r\nx\r\n-NOPERM no key\r\n", REDIS_LOST_SETUP, "NOPERM"},
    {"-LOADING Redis is loading\r\n", REDIS_LOST_FAILED, "LOADING"},
    {"HTTP/1.1 400 Bad Request\r\n\r\n", REDIS_LOST_FAILED, "does not speak Redis"},
    {"$1\r\nx\r\n$-1\r\n+more\r\n", REDIS_LOST_FAILED, "an answer to nothing"},
};

START_TEST(a_server_that_is_no_use_is_told)
{
	open_to(greetings[_i].answer);
	while (losts == 0)
		turn();
	ck_assert_int_eq(lost_why, greetings[_i].why);
	ck_assert_msg(strstr(lost_text, greetings[_i].text) != NULL, "%s", lost_text);
	ck_assert_int_eq(conn.state, REDIS_CONN_CLOSED);
}
END_TEST

START_TEST(silence_ends_the_connection_and_commands_are_sent_again)
{
	cfg.timeout_ms = 20;
	be_ready();
	write_one("ONE\r\n");
	write_one("TWO\r\n");
	ck_assert(redis_conn_send(&conn));
	serve("TWO\r\n", "+1\r\n");
	write_one("SIX\r\n");
	while (losts == 0)
		turn();
	ck_assert_msg(strstr(lost_text, "no answer for 20 ms") != NULL, "%s", lost_text);
	ck_assert_uint_eq(replies, 1);
	ck_assert_uint_eq(conn.unsure, 1);
	ck_assert_uint_eq(redis_conn_unanswered(&conn), 2);
	close(served);
	cfg.timeout_ms = 60000;
	be_ready();
	ck_assert(redis_conn_send(&conn));
	serve("TWO\r\nSIX\r\n", "+2\r\n+6\r\n");
	while (replies < 3)
		turn();
	ck_assert_str_eq(last_command, "SIX\r\n");
	ck_assert_str_eq(last_text, "6");
}
END_TEST

START_TEST(a_refused_command_stands_in_front_again)
{
	const uint32_t len[] = {5, 6};

	be_ready();
	for (int i = 0; i < 3; i++)
		write_one("ONE\r\n");
	ck_assert(redis_conn_send(&conn));
	serve("ONE\r\n", "+1\r\n+1\r\n+1\r\n");
	write_one("END\r\n");
	while (replies < 3)
		turn();
	redis_conn_unanswer(&conn, (const uint8_t *)"TWO\r\nFOUR\r\n", len, 2);
	ck_assert(redis_conn_send(&conn));
	serve("TWO\r\nFOUR\r\nEND\r\n", "+1\r\n+1\r\n");
	while (replies < 5)
		turn();
	ck_assert_str_eq(last_command, "FOUR\r\n");
	ck_assert_uint_eq(redis_conn_unanswered(&conn), 1);
}
END_TEST

START_TEST(failing_within_a_reply_waits_for_the_reader)
{
	static const struct redis_reply any;

	be_ready();
	for (int i = 0; i < 3; i++)
		write_one("ONE\r\n");
	ck_assert(redis_conn_send(&conn));
	fail_at = &any;
	serve("ONE\r\n", "+1\r\n+1\r\n+1\r\n");
	while (losts == 0)
		turn();
	ck_assert_uint_eq(replies, 1);
	ck_assert_str_eq(lost_text, "enough");
	redis_conn_drop(&conn);
	ck_assert_uint_eq(redis_conn_unanswered(&conn), 0);
}
END_TEST

START_TEST(nobody_there_is_told_from_the_loop)
{
	(void)unlink(path);
	redis_conn_open(&conn);
	ck_assert_uint_eq(losts, 0);
	while (losts == 0)
		turn();
	ck_assert_int_eq(lost_why, REDIS_LOST_FAILED);
}
END_TEST

/* Commands of every size, more than fits at a time, answered a few at a time: what is
 * given with each answer is what was written. */
START_TEST(a_long_queue_keeps_its_commands)
{
	uint64_t written = 0, wrong = 0;
	char text[2048];

	be_ready();
	conn.buffer_max = 1 << 20;
	while (replies < 20000) {
		uint64_t before = replies;

		for (;;) {
			size_t len = 8 + written * 37 % 1500;
			uint8_t *at = redis_conn_room(&conn, len);

			if (at == NULL || written == 20000)
				break;
			memset(text, 'a' + (int)(written % 26), len);
			(void)snprintf(text, 8, "%07llu", (unsigned long long)written);
			text[7] = ' ';
			(void)redis_conn_put(at, text, len);
			redis_conn_wrote(&conn, len);
			written++;
		}
		(void)redis_conn_send(&conn);
		for (int i = 0; i < 97 && before + (uint64_t)i < conn.asked; i++)
			ck_assert(send(served, "+1\r\n", 4, 0) == 4);
		while (recv(served, text, sizeof text, MSG_DONTWAIT) > 0)
			;
		assert_that(event_base_loop(base, EVLOOP_NONBLOCK) != -1);
		if (replies > before)
			wrong += strtoull(last_command, NULL, 10) != replies - 1;
	}
	ck_assert_uint_eq(wrong, 0);
	ck_assert_uint_eq(losts, 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("redis");
	TCase *pure = tcase_create("keys"), *t = tcase_create("connection");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(pure, a_key_is_made_of_the_events_words, 0,
	    (int)(sizeof keys / sizeof keys[0]));
	tcase_add_test(pure, the_longest_key_fits);
	tcase_add_test(pure, a_value_holds_the_whole_uuid);
	tcase_add_loop_test(pure, errors_are_told_apart, 0, (int)(sizeof errors / sizeof errors[0]));
	suite_add_tcase(s, pure);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, replies_come_in_order_however_they_are_cut);
	tcase_add_test(t, an_old_server_is_asked_again);
	tcase_add_loop_test(t, a_server_that_is_no_use_is_told, 0,
	    (int)(sizeof greetings / sizeof greetings[0]));
	tcase_add_test(t, silence_ends_the_connection_and_commands_are_sent_again);
	tcase_add_test(t, a_refused_command_stands_in_front_again);
	tcase_add_test(t, failing_within_a_reply_waits_for_the_reader);
	tcase_add_test(t, nobody_there_is_told_from_the_loop);
	tcase_add_test(t, a_long_queue_keeps_its_commands);
	suite_add_tcase(s, t);
	runner = srunner_create(s);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
