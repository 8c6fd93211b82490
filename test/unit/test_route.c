/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	test_route - keys, jobs and requests of routes
 */
#include "common/panic.h"
#include "workers/route_parts.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define B(s) BYTES_LIT(s)

/*---- Keys */

static const struct {
	const char *id, *user, *type;
	int64_t ms;
	const char *key, *message_id;
} keys[] = {
    {"", "\"u1\"", "\"cart_updated\"", 1700000000123, "event:u1:cart_updated:1700000000123",
	"event:u1:cart_updated:1700000000123"},
    {"\"a.b\"", "\"u1\"", "\"x\"", 1, "id:a.b", "id:a%2Eb"},
    {"", "\"a b\"", "\"50%\"", -1, "event:a%20b:50%25:-1", "event:a%20b:50%25:-1"},
    {"", "\"j\\u00e9\\n\"", "\"x\"", 0, "event:j%C3%A9%0A:x:0", "event:j%C3%A9%0A:x:0"},
    {"\"\\u0000\\r\\nX-Evil: 1\"", "", "", 0, "id:%00%0D%0AX-Evil:%201", "id:%00%0D%0AX-Evil:%201"},
};

START_TEST(a_key_is_what_dedup_goes_by_and_safe_in_a_header)
{
	char key[ROUTE_KEY_SIZE], id[3 * ROUTE_KEY_SIZE + 1];

	ck_assert(route_key_event(key, sizeof key, bytes_str(keys[_i].id), bytes_str(keys[_i].user),
	    bytes_str(keys[_i].type), keys[_i].ms));
	ck_assert_str_eq(key, keys[_i].key);
	route_key_message_id(id, sizeof id, key);
	ck_assert_str_eq(id, keys[_i].message_id);
}
END_TEST

START_TEST(a_key_that_does_not_fit_says_so)
{
	char raw[700], key[ROUTE_KEY_SIZE];

	for (size_t len = 507; len <= 509; len++) {
		raw[0] = '"';
		memset(raw + 1, 'x', len);
		raw[len + 1] = '"';
		/* "id:" and the NUL: 508 fit. */
		ck_assert_int_eq(route_key_event(key, sizeof key, bytes_of(raw, len + 2), B("\"\""),
				     B("\"\""), 0),
		    len <= 508);
		ck_assert_uint_eq(strlen(key), len <= 508 ? 3 + len : 511);
	}
}
END_TEST

START_TEST(batches_are_told_apart_by_each_place_in_them)
{
	static struct route_place place[1000] = {{0, 4096}, {1, 64}, {0, 8192}};
	char a[128], b[128];

	route_key_batch(a, sizeof a, "1f0c93aa", place, 3);
	ck_assert_int_eq(strncmp(a, "1f0c93aa:0:4096-0:8192/3-", 25), 0);
	place[1].pos = 65;
	route_key_batch(b, sizeof b, "1f0c93aa", place, 3);
	ck_assert_str_ne(a, b);
	place[1].pos = 64;
	route_key_batch(b, sizeof b, "1f0c93aa", place, 3);
	ck_assert_str_eq(a, b);
	place[0] = place[999] = (struct route_place){UINT32_MAX, UINT64_MAX};
	route_key_batch(b, sizeof b, "1f0c93aa", place, 1000);
	ck_assert_uint_lt(strlen(b), sizeof b - 1);
	route_key_receipt(b, sizeof b, "1f0c93aa", place[1]);
	ck_assert_str_eq(b, "1f0c93aa:1:64");
}
END_TEST

/*---- Jobs */

static char *
body_of(const struct route_pool *p, const struct route_job *job)
{
	static char text[4096];
	struct bytes piece[3];
	size_t n = route_job_body(p, job, piece), len = 0;

	for (size_t i = 0; i < n; i++) {
		memcpy(text + len, piece[i].ptr, piece[i].len);
		len += piece[i].len;
	}
	text[len] = '\0';
	return text;
}

START_TEST(a_job_is_an_event_an_array_or_lines)
{
	static const struct {
		enum config_format format;
		const char *one, *two;
	} cases[] = {
	    {CONFIG_FORMAT_EVENT, "{\"a\":\n1}", NULL},
	    {CONFIG_FORMAT_ARRAY, "[{\"a\":\n1}]", "[{\"a\":\n1},{\"b\":2}]"},
	    {CONFIG_FORMAT_NDJSON, "{\"a\": 1}\n", "{\"a\": 1}\n{\"b\":2}\n"},
	};
	struct route_pool p;

	for (size_t i = 0; i < 3; i++) {
		struct route_job *job;

		route_pool_init(&p, cases[i].format);
		job = route_job_new(&p);
		ck_assert_int_eq(
		    route_job_add(&p, job, 7, (struct route_place){0, 1}, B("{\"a\":\n1}")), 0);
		ck_assert_str_eq(body_of(&p, job), cases[i].one);
		if (cases[i].two != NULL) {
			ck_assert_int_eq(
			    route_job_add(&p, job, 8, (struct route_place){0, 2}, B("{\"b\":2}")),
			    0);
			ck_assert_str_eq(body_of(&p, job), cases[i].two);
		}
		ck_assert_uint_eq(p.jobs, 1);
		route_job_free(&p, job);
		ck_assert_uint_eq(p.bytes, 0);
		ck_assert_uint_eq(p.jobs, 0);
		route_pool_free(&p);
	}
}
END_TEST

/* Halved again and again, each event ends alone, with its own ticket and place. */
START_TEST(splitting_loses_nothing)
{
	struct route_pool p;
	struct route_jobs all;
	struct route_job *job, *half;
	uint64_t ticket = 1000;
	size_t bad = 0;
	char text[32], want[32];

	for (unsigned n = 2; n <= 100; n += 7) {
		route_pool_init(&p, CONFIG_FORMAT_ARRAY);
		TAILQ_INIT(&all);
		job = route_job_new(&p);
		for (unsigned i = 0; i < n; i++) {
			int len = snprintf(text, sizeof text, "{\"n\":%u}", i);

			bad +=
			    route_job_add(&p, job, ticket + i, (struct route_place){i % 3, i * 8},
				bytes_of(text, (size_t)len)) != 0;
		}
		TAILQ_INSERT_HEAD(&all, job, link);
		for (job = TAILQ_FIRST(&all); job != NULL;) {
			if (job->events == 1) {
				job = TAILQ_NEXT(job, link);
				continue;
			}
			half = route_job_split(&p, job);
			bad += half == NULL;
			TAILQ_INSERT_AFTER(&all, job, half, link);
		}
		for (unsigned i = 0; i < n; i++) {
			job = TAILQ_FIRST(&all);
			snprintf(want, sizeof want, "[{\"n\":%u}]", i);
			bad += job == NULL || job->ticket != ticket + i ||
			       job->place[0].pos != i * 8 || strcmp(body_of(&p, job), want) != 0;
			TAILQ_REMOVE(&all, job, link);
			route_job_free(&p, job);
		}
		bad += !TAILQ_EMPTY(&all) || p.bytes != 0 || p.jobs != 0;
		route_pool_free(&p);
	}
	ck_assert_uint_eq(bad, 0);
}
END_TEST

START_TEST(a_pool_keeps_no_great_buffers)
{
	struct route_pool p;
	struct route_job *job;
	char *big = xcalloc(1, ROUTE_JOB_KEPT_BYTES + 1);

	route_pool_init(&p, CONFIG_FORMAT_EVENT);
	job = route_job_new(&p);
	ck_assert_int_eq(route_job_add(&p, job, 0, (struct route_place){0, 0},
			     bytes_of(big, ROUTE_JOB_KEPT_BYTES + 1)),
	    0);
	route_job_free(&p, job);
	ck_assert_uint_eq(TAILQ_FIRST(&p.idle)->size, 0);
	ck_assert_ptr_eq(route_job_new(&p), job);
	ck_assert_uint_eq(job->events, 0);
	route_job_free(&p, job);
	route_pool_free(&p);
	free(big);
}
END_TEST

/*---- Requests */

static const char *
field(const struct route_request *rq, const char *name)
{
	for (const struct curl_slist *f = rq->field; f != NULL; f = f->next)
		if (strncmp(f->data, name, strlen(name)) == 0 && f->data[strlen(name)] == ':')
			return f->data + strlen(name) + 2;
	return NULL;
}

static void
make(struct config_sink *cfg, struct route_request *rq, struct route_form *form,
    struct route_pool *p)
{
	route_form_open(form, cfg);
	form->instance = "1f0c93aa";
	route_pool_init(p, cfg->format);
	rq->job = route_job_new(p);
	ck_assert_int_eq(route_job_add(p, rq->job, 0, (struct route_place){2, 640}, B("{}")), 0);
	if (cfg->format == CONFIG_FORMAT_EVENT)
		(void)snprintf(rq->job->key, sizeof rq->job->key, "%s", "event:a.b:t:1");
	ck_assert_int_eq(route_request_make(form, p, rq, 1614265330ull * 1000000000 + 5), 0);
}

static void
end(struct route_request *rq, struct route_form *form, struct route_pool *p)
{
	route_job_free(p, rq->job);
	route_pool_free(p);
	route_form_close(form);
	free(rq->packed);
}

START_TEST(a_request_has_its_headers)
{
	struct config_sink *cfg = xcalloc(1, sizeof *cfg);
	struct route_request rq = {0};
	struct route_form form;
	struct route_pool p;

	cfg->header.n = 1;
	(void)snprintf(cfg->header.at[0], sizeof cfg->header.at[0], "%s", "X-Own: 1");
	make(cfg, &rq, &form, &p);
	(void)snprintf(rq.job->traceparent, sizeof rq.job->traceparent, "%s", "00-1-2-03");
	rq.job->failures = 2;
	ck_assert_int_eq(route_request_make(&form, &p, &rq, 1), 0);
	ck_assert_str_eq(field(&rq, "Idempotency-Key"), "event:a.b:t:1");
	ck_assert_str_eq(field(&rq, "Sluice-Receipt"), "1f0c93aa:2:640");
	ck_assert_str_eq(field(&rq, "Sluice-Attempt"), "3");
	ck_assert_str_eq(field(&rq, "traceparent"), "00-1-2-03");
	ck_assert_str_eq(field(&rq, "Content-Type"), "application/json");
	ck_assert_str_eq(field(&rq, "X-Own"), "1");
	ck_assert_ptr_null(field(&rq, "webhook-signature"));
	ck_assert_ptr_null(field(&rq, "Content-Encoding"));
	ck_assert_uint_eq(rq.wire_bytes, 2);
	end(&rq, &form, &p);
	/* A type of one's own; lines; the receipt is the key. */
	(void)snprintf(
	    cfg->header.at[0], sizeof cfg->header.at[0], "%s", "content-type: text/plain");
	cfg->format = CONFIG_FORMAT_NDJSON;
	make(cfg, &rq, &form, &p);
	ck_assert_ptr_null(field(&rq, "Content-Type"));
	ck_assert_str_eq(field(&rq, "content-type"), "text/plain");
	ck_assert_str_eq(field(&rq, "Idempotency-Key"), "1f0c93aa:2:640");
	ck_assert_uint_eq(rq.wire_bytes, 3);
	end(&rq, &form, &p);
	free(cfg);
}
END_TEST

START_TEST(a_packed_request_is_signed_as_it_was_before)
{
	struct config_sink *cfg = xcalloc(1, sizeof *cfg);
	struct route_request rq = {0};
	struct route_form form;
	struct route_pool p;
	char path[] = "/tmp/sluice-route.XXXXXX", plain[ROUTE_SIGN_TEXT_SIZE];
	uint8_t out[64];
	z_stream z = {0};
	int fd = mkstemp(path);

	ck_assert_int_eq((int)write(fd, "secret\n", 7), 7);
	close(fd);
	(void)snprintf(cfg->secret_file, sizeof cfg->secret_file, "%s", path);
	make(cfg, &rq, &form, &p);
	snprintf(plain, sizeof plain, "%s", field(&rq, "webhook-signature"));
	ck_assert_str_eq(field(&rq, "webhook-id"), "event:a%2Eb:t:1");
	ck_assert_str_eq(field(&rq, "webhook-timestamp"), "1614265330");
	end(&rq, &form, &p);
	rq.packed = NULL;
	rq.packed_size = 0;
	cfg->compression = CONFIG_COMPRESSION_GZIP;
	make(cfg, &rq, &form, &p);
	ck_assert_str_eq(field(&rq, "webhook-signature"), plain);
	ck_assert_str_eq(field(&rq, "Content-Encoding"), "gzip");
	ck_assert_uint_eq(rq.pieces, 1);
	ck_assert_int_eq(inflateInit2(&z, 15 + 16), Z_OK);
	z.next_in = (Bytef *)(uintptr_t)rq.piece[0].ptr;
	z.avail_in = (uInt)rq.piece[0].len;
	z.next_out = out;
	z.avail_out = sizeof out;
	ck_assert_int_eq(inflate(&z, Z_FINISH), Z_STREAM_END);
	ck_assert_uint_eq(z.total_out, 2);
	ck_assert_int_eq(memcmp(out, "{}", 2), 0);
	inflateEnd(&z);
	end(&rq, &form, &p);
	unlink(path);
	free(cfg);
}
END_TEST

/*---- Waits */

START_TEST(waits_double_up_to_their_limit_and_honour_a_wish)
{
	struct config_sink *cfg = xcalloc(1, sizeof *cfg);
	static const uint64_t most[] = {100, 200, 400, 800, 1000, 1000};

	cfg->retry_min_ms = 100;
	cfg->retry_max_ms = 1000;
	for (unsigned n = 1; n <= 6; n++) {
		ck_assert_uint_eq(route_answer_wait_ms(cfg, n, 0, 0), most[n - 1] / 2);
		ck_assert_uint_eq(route_answer_wait_ms(cfg, n, most[n - 1] / 2, 0), most[n - 1]);
		ck_assert_uint_eq(route_answer_wait_ms(cfg, n, 0, 5000), 5000);
		ck_assert_uint_eq(route_answer_wait_ms(cfg, n, 0, 1), most[n - 1] / 2);
	}
	ck_assert_uint_le(route_answer_wait_ms(cfg, UINT32_MAX, UINT64_MAX, 0), 1000);
	ck_assert(route_answer_may_split(400) && route_answer_may_split(413) &&
		  route_answer_may_split(422));
	ck_assert(!route_answer_may_split(401) && !route_answer_may_split(404));
	free(cfg);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("route");
	TCase *tc = tcase_create("route");
	SRunner *sr;
	int failed;

	tcase_add_loop_test(tc, a_key_is_what_dedup_goes_by_and_safe_in_a_header, 0,
	    (int)(sizeof keys / sizeof keys[0]));
	tcase_add_test(tc, a_key_that_does_not_fit_says_so);
	tcase_add_test(tc, batches_are_told_apart_by_each_place_in_them);
	tcase_add_test(tc, a_job_is_an_event_an_array_or_lines);
	tcase_add_test(tc, splitting_loses_nothing);
	tcase_add_test(tc, a_pool_keeps_no_great_buffers);
	tcase_add_test(tc, a_request_has_its_headers);
	tcase_add_test(tc, a_packed_request_is_signed_as_it_was_before);
	tcase_add_test(tc, waits_double_up_to_their_limit_and_honour_a_wish);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
