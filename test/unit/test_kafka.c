/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	test_kafka - the parts of the Kafka sink that need no broker
 *
 * PROCESS
 *	Tests only.
 *
 * SHARED STATE
 *	None.
 */
#include "common/clock.h"
#include "workers/kafka_class.h"
#include "workers/kafka_conf.h"
#include "workers/kafka_positions.h"
#include "workers/kafka_topics.h"
#include "workers/kafka_window.h"
#include "workers/kafka_work.h"

#include <bsd/string.h>
#include <check.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/*----------------------------------------------------------------- window */

static void
answer(struct kafka_window *w, uint64_t ticket)
{
	kafka_window_at(w, ticket)->state = KAFKA_SLOT_ANSWERED;
}

START_TEST(front_moves_in_runs_whatever_the_order)
{
	struct kafka_window w;
	uint64_t first, n;

	kafka_window_init(&w, 8);
	for (uint64_t t = 0; t < 8; t++)
		kafka_window_add(&w, t);
	answer(&w, 2);
	answer(&w, 1);
	ck_assert(!kafka_window_run(&w, &first, &n));
	answer(&w, 0);
	ck_assert(kafka_window_run(&w, &first, &n));
	ck_assert_uint_eq(first, 0);
	ck_assert_uint_eq(n, 3);
	ck_assert(!kafka_window_run(&w, &first, &n));
	/* A dead one is left out of the run, but holds nobody up. */
	kafka_window_at(&w, 4)->state = KAFKA_SLOT_NONE;
	for (uint64_t t = 3; t < 8; t++)
		if (t != 4)
			answer(&w, t);
	ck_assert(kafka_window_run(&w, &first, &n));
	ck_assert_uint_eq(first, 3);
	ck_assert_uint_eq(n, 1);
	ck_assert(kafka_window_run(&w, &first, &n));
	ck_assert_uint_eq(first, 5);
	ck_assert_uint_eq(n, 3);
	ck_assert_uint_eq(w.low, w.high);
	kafka_window_free(&w);
}
END_TEST

START_TEST(window_takes_as_many_as_it_says)
{
	struct kafka_window w;
	uint64_t first, n;

	/* Not a power of two: the ring is larger than the limit. */
	kafka_window_init(&w, 5);
	for (uint64_t t = 100; t < 104; t++) {
		ck_assert(kafka_window_fits(&w, t));
		kafka_window_add(&w, t);
	}
	ck_assert(kafka_window_fits(&w, 104)); /* limit - 1 are in it */
	kafka_window_add(&w, 104);
	ck_assert(!kafka_window_fits(&w, 105));
	answer(&w, 101);
	ck_assert(!kafka_window_fits(&w, 105));
	answer(&w, 100);
	ck_assert(kafka_window_run(&w, &first, &n));
	ck_assert(kafka_window_fits(&w, 106));
	ck_assert(!kafka_window_fits(&w, 107));
	ck_assert_ptr_null(kafka_window_at(&w, 101));
	ck_assert_ptr_null(kafka_window_at(&w, 105));
	kafka_window_free(&w);
}
END_TEST

START_TEST(tickets_left_out_are_nobodys)
{
	struct kafka_window w;
	uint64_t first, n;

	kafka_window_init(&w, 8);
	kafka_window_add(&w, 0);
	kafka_window_add(&w, 3); /* 1 and 2 were refused */
	answer(&w, 0);
	answer(&w, 3);
	ck_assert(kafka_window_run(&w, &first, &n));
	ck_assert_uint_eq(n, 1);
	ck_assert(kafka_window_run(&w, &first, &n));
	ck_assert_uint_eq(first, 3);
	/* Empty: the next ticket may be any. */
	ck_assert(kafka_window_fits(&w, 1000));
	kafka_window_add(&w, 1000);
	ck_assert_uint_eq(w.low, 1000);
	kafka_window_free(&w);
}
END_TEST

START_TEST(rewound_tickets_come_again_in_order)
{
	struct kafka_window w;
	uint64_t t;

	kafka_window_init(&w, 8);
	for (t = 0; t < 6; t++)
		kafka_window_add(&w, t);
	answer(&w, 1);
	kafka_window_at(&w, 2)->was_suspect = true;
	kafka_window_at(&w, 4)->state = KAFKA_SLOT_NONE;
	kafka_window_rewind(&w, false);
	ck_assert(kafka_window_next(&w, 0, &t) && t == 0);
	ck_assert(kafka_window_next(&w, 1, &t) && t == 2);
	ck_assert_uint_eq(kafka_window_at(&w, 2)->state, KAFKA_SLOT_SUSPECT);
	ck_assert(kafka_window_next(&w, 4, &t) && t == 5);
	ck_assert(!kafka_window_next(&w, 6, &t));
	ck_assert_uint_eq(kafka_window_count(&w, KAFKA_SLOT_AGAIN), 3);
	/* A transaction that came to nothing: what was answered too. */
	kafka_window_rewind(&w, true);
	ck_assert(kafka_window_next(&w, 1, &t) && t == 1);
	kafka_window_free(&w);
}
END_TEST

/*-------------------------------------------------------------- positions */

START_TEST(positions_are_read_as_they_were_written)
{
	static struct kafka_positions p, q;
	char buf[KAFKA_POSITIONS_SIZE];
	size_t len;

	memset(&p, 0, sizeof p);
	len = kafka_positions_print(&p, buf);
	ck_assert(kafka_positions_read(&q, bytes_of(buf, len)));
	ck_assert_mem_eq(&p, &q, sizeof p);
	for (unsigned i = 0; i < KAFKA_POSITIONS_STREAMS; i++)
		p.at[i] = (struct kafka_place){UINT64_MAX - i, UINT64_MAX - 2 * i};
	len = kafka_positions_print(&p, buf);
	ck_assert_uint_lt(len, KAFKA_POSITIONS_SIZE);
	ck_assert(kafka_positions_read(&q, bytes_of(buf, len)));
	ck_assert_mem_eq(&p, &q, sizeof p);
	/* Cut anywhere but behind a line it is not believed. */
	for (size_t cut = 0; cut < len; cut++) {
		bool is_line = cut >= 19 && buf[cut - 1] == '\n';

		ck_assert(kafka_positions_read(&q, bytes_of(buf, cut)) == is_line);
	}
}
END_TEST

START_TEST(other_records_are_no_positions)
{
	static const char *const text[] = {"", "sluice-positions 2\n1 2 3\n", "{}",
	    "sluice-positions 1\n256 1 1\n", "sluice-positions 1\n1 18446744073709551616 1\n",
	    "sluice-positions 1\n1 2\n", "sluice-positions 1\n1 2 3 4\n",
	    "sluice-positions 1\n-1 2 3\n", "sluice-positions 1\n1  2 3\n"};
	static struct kafka_positions p;

	ck_assert(!kafka_positions_read(&p, bytes_str(text[_i])));
}
END_TEST

/*----------------------------------------------------------------- topics */

static rd_kafka_t *
producer(void)
{
	char why[256];
	rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, NULL, why, sizeof why);

	ck_assert_ptr_nonnull(rk);
	return rk;
}

START_TEST(least_used_topic_is_closed_at_the_limit)
{
	struct kafka_topics t;
	rd_kafka_t *rk = producer();
	char name[KAFKA_TOPIC_NAME_SIZE];
	rd_kafka_topic_t *kept;
	size_t len;

	kafka_topics_init(&t);
	for (int i = 0; i < KAFKA_TOPICS_MAX; i++) {
		len = (size_t)snprintf(name, sizeof name, "t%d", i);
		ck_assert_ptr_nonnull(kafka_topics_get(&t, rk, name, len));
	}
	ck_assert_int_eq(t.n, KAFKA_TOPICS_MAX);
	ck_assert_uint_eq(t.closed, 0);
	kept = kafka_topics_get(&t, rk, "t0", 2);
	ck_assert_ptr_nonnull(kafka_topics_get(&t, rk, "one more", 8));
	ck_assert_int_eq(t.n, KAFKA_TOPICS_MAX);
	ck_assert_uint_eq(t.closed, 1);
	ck_assert_ptr_eq(kafka_topics_get(&t, rk, "t0", 2), kept);
	ck_assert_uint_eq(t.made, KAFKA_TOPICS_MAX + 1);
	/* t1 was the one. */
	ck_assert_ptr_nonnull(kafka_topics_get(&t, rk, "t1", 2));
	ck_assert_uint_eq(t.made, KAFKA_TOPICS_MAX + 2);
	ck_assert(!kafka_topics_is_worn(&t));
	kafka_topics_free(&t);
	rd_kafka_destroy(rk);
}
END_TEST

START_TEST(longest_name_is_a_topic)
{
	struct kafka_topics t;
	rd_kafka_t *rk = producer();
	char name[KAFKA_TOPIC_NAME_SIZE];

	memset(name, 'x', sizeof name);
	name[249] = '\0';
	kafka_topics_init(&t);
	ck_assert_ptr_nonnull(kafka_topics_get(&t, rk, name, 249));
	ck_assert_ptr_eq(kafka_topics_get(&t, rk, name, 249), kafka_topics_get(&t, rk, name, 249));
	kafka_topics_free(&t);
	rd_kafka_destroy(rk);
}
END_TEST

/*---------------------------------------------------------- configuration */

static struct config_sink
section(void)
{
	struct config_sink c = {.batch_events = 10000,
	    .batch_bytes = 1 << 20,
	    .linger_ms = 5,
	    .in_flight = 1000,
	    .timeout_ms = 30000,
	    .connect_timeout_ms = 5000,
	    .retry_min_ms = 200,
	    .retry_max_ms = 30000};

	c.server.n = 2;
	strlcpy(c.server.at[0], "a:9092", sizeof c.server.at[0]);
	strlcpy(c.server.at[1], "b:9092", sizeof c.server.at[1]);
	return c;
}

static const char *
value(rd_kafka_conf_t *conf, const char *name)
{
	static char buf[256];
	size_t size = sizeof buf;

	ck_assert_int_eq(rd_kafka_conf_get(conf, name, buf, &size), RD_KAFKA_CONF_OK);
	return buf;
}

START_TEST(our_keys_become_librdkafkas)
{
	struct config_sink c = section();
	char why[256] = "";
	rd_kafka_conf_t *conf = kafka_conf_producer(&c, "", why, sizeof why);

	ck_assert_msg(conf != NULL, "%s", why);
	ck_assert_str_eq(value(conf, "bootstrap.servers"), "a:9092,b:9092");
	ck_assert_str_eq(value(conf, "enable.idempotence"), "true");
	ck_assert_str_eq(value(conf, "acks"), "-1");
	ck_assert_str_eq(value(conf, "compression.codec"), "zstd");
	ck_assert_str_eq(value(conf, "batch.num.messages"), "10000");
	ck_assert_str_eq(value(conf, "linger.ms"), "5");
	ck_assert_str_eq(value(conf, "message.timeout.ms"), "0");
	ck_assert_str_eq(value(conf, "queue.buffering.max.messages"), "1016");
	ck_assert_str_eq(value(conf, "topic.metadata.propagation.max.ms"), "5000");
	ck_assert_str_eq(value(conf, "security.protocol"), "plaintext");
	rd_kafka_conf_destroy(conf);
	conf = kafka_conf_consumer(&c, why, sizeof why);
	ck_assert_msg(conf != NULL, "%s", why);
	ck_assert_str_eq(value(conf, "isolation.level"), "read_committed");
	rd_kafka_conf_destroy(conf);
}
END_TEST

/* limit - 1, limit, and beyond it: cut to what librdkafka takes. */
START_TEST(extremes_of_our_keys_are_taken)
{
	struct config_sink c = section();
	char why[256] = "";
	rd_kafka_conf_t *conf;

	c.batch_events = c.in_flight = _i == 0 ? 1 : 1000000;
	c.batch_bytes = _i == 0 ? 4096 : 1ull << 40;
	c.linger_ms = _i == 0 ? 0 : 3599999;
	c.timeout_ms = c.connect_timeout_ms = c.retry_min_ms = c.retry_max_ms =
	    _i == 0 ? 1 : 3600000;
	conf = kafka_conf_producer(&c, "id", why, sizeof why);
	ck_assert_msg(conf != NULL, "%s", why);
	rd_kafka_conf_destroy(conf);
}
END_TEST

START_TEST(options_pass_or_are_refused_with_a_reason)
{
	static const struct {
		const char *line, *word; /* NULL: passes */
	} t[] = {
	    {"message.max.bytes 5000000", NULL},
	    {"partitioner   consistent", NULL},
	    {"topic.metadata.propagation.max.ms 30000", NULL},
	    {"sasl.mechanism SCRAM-SHA-512", NULL},
	    {"security.protocol ssl", NULL},
	    {"ssl.ca.location probe", NULL},
	    {"acks 0", "all replicas"},
	    {"enable.idempotence false", "idempotently"},
	    {"transactional.id x", "exactly-once"},
	    {"message.timeout.ms 1", "never given up"},
	    {"compression.codec lz4", "compression"},
	    {"no.such.option 1", "No such configuration property"},
	    {"socket.timeout.ms many", "socket.timeout.ms"},
	    {"message.max.bytes", "write `option NAME VALUE`"},
	    {"ssl.key.location /nonexistent/key", "cannot be read"},
	};
	struct config_sink c = section();
	char why[512] = "";
	rd_kafka_conf_t *conf;

	c.option.n = 1;
	strlcpy(c.option.at[0], t[_i].line, sizeof c.option.at[0]);
	conf = kafka_conf_producer(&c, "", why, sizeof why);
	if (t[_i].word == NULL) {
		ck_assert_msg(conf != NULL, "%s", why);
		rd_kafka_conf_destroy(conf);
	} else {
		ck_assert_ptr_null(conf);
		ck_assert_msg(strstr(why, t[_i].word) != NULL, "%s", why);
	}
}
END_TEST

START_TEST(user_and_password_become_sasl)
{
	struct config_sink c = section();
	char why[512] = "";
	rd_kafka_conf_t *conf;
	int fd;

	strlcpy(c.user, "me", sizeof c.user);
	strlcpy(c.password_file, "/tmp/test_kafka.XXXXXX", sizeof c.password_file);
	fd = mkstemp(c.password_file);
	ck_assert_int_ne(fd, -1);
	ck_assert_int_eq(write(fd, "secret\r\n", 8), 8);
	conf = kafka_conf_producer(&c, "", why, sizeof why);
	ck_assert_msg(conf != NULL, "%s", why);
	ck_assert_str_eq(value(conf, "security.protocol"), "sasl_plaintext");
	ck_assert_str_eq(value(conf, "sasl.username"), "me");
	ck_assert_str_eq(value(conf, "sasl.password"), "secret");
	rd_kafka_conf_destroy(conf);
	close(fd);
	unlink(c.password_file);
	ck_assert_ptr_null(kafka_conf_producer(&c, "", why, sizeof why));
	ck_assert(strstr(why, "cannot be read") != NULL);
}
END_TEST

/*---------------------------------------------------------- class and work */

START_TEST(errors_are_of_a_class)
{
	ck_assert_int_eq(kafka_class_of(RD_KAFKA_RESP_ERR_NO_ERROR), KAFKA_CLASS_OK);
	ck_assert_int_eq(kafka_class_of(RD_KAFKA_RESP_ERR__TRANSPORT), KAFKA_CLASS_AGAIN);
	ck_assert_int_eq(kafka_class_of(RD_KAFKA_RESP_ERR__MSG_TIMED_OUT), KAFKA_CLASS_AGAIN);
	ck_assert_int_eq(kafka_class_of(RD_KAFKA_RESP_ERR__PURGE_QUEUE), KAFKA_CLASS_AGAIN);
	ck_assert_int_eq(kafka_class_of(RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE), KAFKA_CLASS_RECORD);
	ck_assert_int_eq(kafka_class_of(RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC), KAFKA_CLASS_SETUP);
	ck_assert_int_eq(
	    kafka_class_of(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED), KAFKA_CLASS_SETUP);
	ck_assert_int_eq(kafka_class_of(RD_KAFKA_RESP_ERR__FENCED), KAFKA_CLASS_FENCED);
	ck_assert_str_eq(kafka_class_code(RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE), "too_large");
	ck_assert_str_eq(kafka_class_code(RD_KAFKA_RESP_ERR_INVALID_RECORD), "invalid_record");
}
END_TEST

static void
add_one(void *arg)
{
	++*(int *)arg;
}

static void
until_told(void *arg)
{
	struct kafka_work *w = arg;

	while (!kafka_work_is_ending(w))
		(void)usleep(1000);
}

static void
wait_finished(struct kafka_work *w)
{
	struct pollfd p = {.fd = w->fd, .events = POLLIN};

	ck_assert_int_eq(poll(&p, 1, 10000), 1);
	ck_assert(kafka_work_finished(w));
	ck_assert(!kafka_work_finished(w));
}

START_TEST(jobs_run_one_after_the_other_and_are_cancelled)
{
	struct kafka_work w;
	int n = 0;

	kafka_work_start(&w);
	ck_assert(!kafka_work_finished(&w));
	for (int i = 0; i < 100; i++) {
		kafka_work_post(&w, add_one, &n);
		wait_finished(&w);
		ck_assert_int_eq(n, i + 1);
	}
	kafka_work_post(&w, until_told, &w);
	ck_assert(!kafka_work_finished(&w));
	kafka_work_cancel(&w);
	wait_finished(&w);
	kafka_work_post(&w, add_one, &n);
	wait_finished(&w);
	kafka_work_post(&w, until_told, &w);
	ck_assert(kafka_work_stop(&w, 10000));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("kafka");
	TCase *t = tcase_create("kafka");
	SRunner *r = srunner_create(s);
	int bad;

	tcase_set_timeout(t, 60);
	tcase_add_test(t, front_moves_in_runs_whatever_the_order);
	tcase_add_test(t, window_takes_as_many_as_it_says);
	tcase_add_test(t, tickets_left_out_are_nobodys);
	tcase_add_test(t, rewound_tickets_come_again_in_order);
	tcase_add_test(t, positions_are_read_as_they_were_written);
	tcase_add_loop_test(t, other_records_are_no_positions, 0, 9);
	tcase_add_test(t, least_used_topic_is_closed_at_the_limit);
	tcase_add_test(t, longest_name_is_a_topic);
	tcase_add_test(t, our_keys_become_librdkafkas);
	tcase_add_loop_test(t, extremes_of_our_keys_are_taken, 0, 2);
	tcase_add_loop_test(t, options_pass_or_are_refused_with_a_reason, 0, 15);
	tcase_add_test(t, user_and_password_become_sasl);
	tcase_add_test(t, errors_are_of_a_class);
	tcase_add_test(t, jobs_run_one_after_the_other_and_are_cancelled);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	bad = srunner_ntests_failed(r);
	srunner_free(r);
	return bad == 0 ? 0 : 1;
}
