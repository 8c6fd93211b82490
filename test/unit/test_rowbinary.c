/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	test_rowbinary - values as the bytes ClickHouse reads, and values that do not fit
 *
 * DESCRIPTION
 *	A table of (type, JSON value) and the bytes expected, borders of each
 *	type; sources; room byte by byte.
 *
 * PROCESS
 *	A program of its own.
 *
 * SHARED STATE
 *	None.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/rowbinary.h"

struct value_case {
	const char *type, *json, *hex; /* hex NULL: it does not fit */
};

static const struct value_case values[] = {
    {"String", "\"\"", "00"},
    {"String", "\"abc\"", "03616263"},
    {"String", "\"a\\nb\\u00e9\\\"\"", "06610a62c3a922"},
    {"String", "\"\\u0000\"", "0100"},
    {"String", "12.50", "0531322e3530"},
    {"String", "true", "0474727565"},
    {"String", "{\"a\": [1]}", "0a7b2261223a205b315d7d"},
    {"String", "null", "00"},
    {"LowCardinality(String)", "\"x\"", "0178"},
    {"Nullable(String)", "\"x\"", "000178"},
    {"Nullable(String)", "null", "01"},
    {"LowCardinality(Nullable(String))", "\"x\"", "000178"},
    {"FixedString(4)", "\"ab\"", "61620000"},
    {"FixedString(4)", "\"abcd\"", "61626364"},
    {"FixedString(4)", "\"abcde\"", NULL},
    {"FixedString(4)", "\"a\\tb\"", "61096200"},
    {"FixedString(2)", "null", "0000"},
    {"Int8", "127", "7f"},
    {"Int8", "-128", "80"},
    {"Int8", "128", NULL},
    {"Int8", "-129", NULL},
    {"Int8", "-0", "00"},
    {"UInt8", "255", "ff"},
    {"UInt8", "256", NULL},
    {"UInt8", "-1", NULL},
    {"UInt8", "true", "01"},
    {"UInt8", "false", "00"},
    {"Int16", "-32768", "0080"},
    {"Int16", "32768", NULL},
    {"UInt16", "65535", "ffff"},
    {"UInt16", "65536", NULL},
    {"Int32", "-2147483648", "00000080"},
    {"Int32", "2147483648", NULL},
    {"UInt32", "4294967295", "ffffffff"},
    {"UInt32", "4294967296", NULL},
    {"Int64", "-9223372036854775808", "0000000000000080"},
    {"Int64", "9223372036854775807", "ffffffffffffff7f"},
    {"Int64", "9223372036854775808", NULL},
    {"UInt64", "18446744073709551615", "ffffffffffffffff"},
    {"UInt64", "18446744073709551616", NULL},
    {"UInt32", "5.0", "05000000"},
    {"UInt32", "1e3", "e8030000"},
    {"UInt32", "5.5", NULL},
    {"UInt32", "\"42\"", "2a000000"},
    {"UInt32", "\"\"", NULL},
    {"UInt32", "\"0x10\"", NULL},
    {"UInt32", "{}", NULL},
    {"UInt32", "null", "00000000"},
    {"Nullable(UInt32)", "7", "0007000000"},
    {"Nullable(UInt32)", "null", "01"},
    {"Nullable(UInt8)", "300", NULL},
    {"Float32", "1.5", "0000c03f"},
    {"Float32", "1e39", NULL},
    {"Float64", "1.5", "000000000000f83f"},
    {"Float64", "\"-2\"", "00000000000000c0"},
    {"Float64", "\"nan\"", NULL},
    {"Float64", "\" 1\"", NULL},
    {"Float64", "[1]", NULL},
    {"Bool", "true", "01"},
    {"Bool", "\"false\"", "00"},
    {"Bool", "2", NULL},
    {"Date", "\"1970-01-02\"", "0100"},
    {"Date", "\"2024-02-29\"", "464d"},
    {"Date", "\"2023-02-29\"", NULL},
    {"Date", "86400000", "0100"},
    {"Date", "\"2149-06-06\"", "ffff"},
    {"Date", "\"2149-06-07\"", NULL},
    {"Date", "-1", NULL},
    {"DateTime", "1431857103000", "cf675855"},
    {"DateTime", "\"2015-05-17T10:05:03Z\"", "cf675855"},
    {"DateTime", "\"2015-05-17 10:05:03\"", "cf675855"},
    {"DateTime", "\"2015-05-17T12:05:03.999+02:00\"", "cf675855"},
    {"DateTime('UTC')", "\"2015-05-17T12:05:03+0200\"", "cf675855"},
    {"DateTime", "\"2106-02-07T06:28:15Z\"", "ffffffff"},
    {"DateTime", "\"2106-02-07T06:28:16Z\"", NULL},
    {"DateTime", "\"2015-05-17T24:00:00Z\"", NULL},
    {"DateTime", "\"2015-05-17T10:05:03Zz\"", NULL},
    {"DateTime", "\"yesterday\"", NULL},
    {"DateTime64(3)", "1431857103123", "138155614d010000"},
    {"DateTime64(3,'UTC')", "\"2015-05-17T10:05:03.1239Z\"", "138155614d010000"},
    {"DateTime64(0)", "-1", "ffffffffffffffff"},
    {"DateTime64(9)", "9223372036855", NULL},
    {"UUID", "\"61f0c404-5cb3-11e7-907b-a6006ad3dba0\"", "e711b35c04c4f061a0dbd36a00a67b90"},
    {"UUID", "\"61F0C404-5CB3-11E7-907B-A6006AD3DBA0\"", "e711b35c04c4f061a0dbd36a00a67b90"},
    {"UUID", "\"61f0c4045cb3-11e7-907b-a6006ad3dba0x\"", NULL},
    {"UUID", "null", "00000000000000000000000000000000"},
};

static void
hex_of(const uint8_t *at, size_t len, char *out)
{
	for (size_t i = 0; i < len; i++)
		(void)sprintf(out + 2 * i, "%02x", at[i]);
	out[2 * len] = '\0';
}

static struct rowbinary *
one_column(const char *type, const char *from)
{
	struct rowbinary *rb = rowbinary_new();
	char why[256] = "";

	ck_assert_msg(
	    rowbinary_add(rb, "c", type, from, why, sizeof why) == 0, "%s: %s", type, why);
	return rb;
}

START_TEST(value_becomes_these_bytes)
{
	const struct value_case *c = &values[_i];
	struct rowbinary *rb = one_column(c->type, "/metadata");
	char body[256] = "", hex[512];
	uint8_t row[256];
	size_t len, need = 0;
	struct rowbinary_fault fault = {0};
	struct rowbinary_event e = {0};
	enum rowbinary_result r;

	(void)snprintf(body, sizeof body, "%s", c->json);
	e.metadata = bytes_of(body, strlen(c->json));
	r = rowbinary_row(rb, &e, row, sizeof row, &len, &fault);
	if (c->hex == NULL) {
		ck_assert_msg(r == ROWBINARY_BAD, "%s %s fits", c->type, c->json);
		ck_assert(fault.why != NULL && strcmp(fault.column->name, "c") == 0);
		ck_assert(bytes_is(fault.value, e.metadata));
	} else {
		ck_assert_msg(r == ROWBINARY_OK, "%s %s: %s", c->type, c->json, fault.why);
		hex_of(row, len, hex);
		ck_assert_msg(
		    strcmp(hex, c->hex) == 0, "%s %s: %s, not %s", c->type, c->json, hex, c->hex);
		/* With less room than it needs nothing is written beyond, and it says so. */
		for (size_t size = 0; size < sizeof row && need == 0; size++) {
			uint8_t *tight = malloc(size + 1);

			tight[size] = 0x5a;
			r = rowbinary_row(rb, &e, tight, size, &len, NULL);
			ck_assert(r == ROWBINARY_OK || r == ROWBINARY_FULL);
			ck_assert_int_eq(tight[size], 0x5a);
			if (r == ROWBINARY_OK)
				need = size + 1;
			free(tight);
		}
		ck_assert(need > 0);
	}
	rowbinary_free(rb);
}
END_TEST

static const char event_text[] =
    "{\"userId\":\"u\\u00e91\",\"eventType\":\"click\",\"timestamp\":1431857103123,"
    "\"metadata\":{\"path\":\"/a\",\"n\":[1, 2],\"status\":404}}";

static struct rowbinary_event
an_event(char body[512])
{
	struct rowbinary_event e = {.event_ms = 1431857103123,
	    .recv_ns = 1700000000123456789,
	    .stream = 3,
	    .pos = 4096,
	    .instance = "0123abcd"};

	(void)snprintf(body, 512, "%s", event_text);
	e.body = bytes_str(body);
	e.user_id = bytes_of(strstr(body, "\"u\\"), 10);
	e.event_type = bytes_of(strstr(body, "\"click"), 7);
	e.timestamp = bytes_of(strstr(body, "1431"), 13);
	e.metadata = bytes_of(strstr(body, "{\"path"), strlen(strstr(body, "{\"path")) - 1);
	return e;
}

START_TEST(default_columns_are_the_four_of_every_event)
{
	struct rowbinary *rb = rowbinary_new();
	char body[512], want[1024], got[1024];
	struct rowbinary_event e = an_event(body);
	uint8_t row[512];
	size_t len;

	rowbinary_add_default(rb);
	ck_assert_uint_eq(rowbinary_columns(rb), 4);
	ck_assert(rowbinary_row(rb, &e, row, sizeof row, &len, NULL) == ROWBINARY_OK);
	(void)snprintf(
	    want, sizeof want, "0475c3a93105636c69636b138155614d010000%02zx", e.metadata.len);
	hex_of(row, len, got);
	ck_assert(strncmp(got, want, strlen(want)) == 0);
	ck_assert(bytes_is(bytes_of(row + len - e.metadata.len, e.metadata.len), e.metadata));
	rowbinary_free(rb);
}
END_TEST

static const struct {
	const char *type, *from, *text;
} sources[] = {
    {"String", "receipt", "\0170123abcd:3:4096"},
    {"String", "received", "\0151700000000123"},
    {"String", "event-key", "\036event:u\303\2511:click:1431857103123"},
    {"String", "position", "\0044096"},
    {"String", "stream", "\0013"},
    {"String", "/timestamp", "\0151431857103123"},
    {"String", "/metadata/path", "\002/a"},
    {"String", "/metadata/n", "\006[1, 2]"},
    {"String", "/metadata/n/1", "\0012"},
    {"String", "/metadata/none", ""},
    {"String", "/id", ""},
};

START_TEST(source_gives_this_text)
{
	struct rowbinary *rb = one_column(sources[_i].type, sources[_i].from);
	char body[512];
	struct rowbinary_event e = an_event(body);
	uint8_t row[512];
	size_t len, want = strlen(sources[_i].text);

	ck_assert(rowbinary_row(rb, &e, row, sizeof row, &len, NULL) == ROWBINARY_OK);
	if (want == 0)
		ck_assert(len == 1 && row[0] == 0);
	else
		ck_assert_msg(len == want && memcmp(row, sources[_i].text, len) == 0, "%s: %.*s",
		    sources[_i].from, (int)len, (const char *)row);
	rowbinary_free(rb);
}
END_TEST

START_TEST(fault_names_the_column_that_did_not_fit)
{
	struct rowbinary *rb = one_column("String", "/metadata/path");
	char body[512], why[128];
	struct rowbinary_event e = an_event(body);
	struct rowbinary_fault fault;
	uint8_t row[512];
	size_t len;

	ck_assert(rowbinary_add(rb, "status", "UInt8", "/metadata/status", why, sizeof why) == 0);
	ck_assert(rowbinary_row(rb, &e, row, sizeof row, &len, &fault) == ROWBINARY_BAD);
	ck_assert_str_eq(fault.column->from, "/metadata/status");
	ck_assert(bytes_is(fault.value, BYTES_LIT("404")));
	rowbinary_free(rb);
}
END_TEST

static const char *const bad_types[] = {"", "string", "Int128", "FixedString(0)",
    "FixedString(65537)", "FixedString(x)", "DateTime64(10)", "DateTime64()", "Array(String)",
    "Nullable(Nullable(String))", "LowCardinality(UInt8)", "Nullable(String", "String)"};

START_TEST(type_that_is_none_is_refused_with_a_sentence)
{
	struct rowbinary_type t;
	char why[300] = "";

	ck_assert(rowbinary_type_parse(bytes_str(bad_types[_i]), &t, why, sizeof why) == -1);
	ck_assert(strlen(why) > 10);
}
END_TEST

START_TEST(type_printed_is_the_type_read)
{
	size_t bad = 0;

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		struct rowbinary_type a, b;
		char text[ROWBINARY_TYPE_SIZE], why[300];

		ck_assert(
		    rowbinary_type_parse(bytes_str(values[i].type), &a, why, sizeof why) == 0);
		rowbinary_type_print(&a, text, sizeof text);
		if (rowbinary_type_parse(bytes_str(text), &b, why, sizeof why) != 0 ||
		    memcmp(&a, &b, sizeof a) != 0)
			bad++;
	}
	ck_assert_uint_eq(bad, 0);
}
END_TEST

START_TEST(columns_are_refused_that_cannot_be)
{
	struct rowbinary *rb = one_column("String", "/a");
	char why[300], name[ROWBINARY_NAME_SIZE + 1];

	ck_assert(rowbinary_add(rb, "c", "String", "/b", why, sizeof why) == -1);
	ck_assert(rowbinary_add(rb, "", "String", "/b", why, sizeof why) == -1);
	ck_assert(rowbinary_add(rb, "d", "String", "metadata", why, sizeof why) == -1);
	memset(name, 'n', sizeof name);
	name[sizeof name - 1] = '\0';
	ck_assert(rowbinary_add(rb, name, "String", "/b", why, sizeof why) == -1);
	name[sizeof name - 2] = '\0';
	ck_assert(rowbinary_add(rb, name, "String", "/b", why, sizeof why) == 0);
	for (int i = 2; i < ROWBINARY_COLUMNS_MAX; i++) {
		(void)snprintf(name, sizeof name, "n%d", i);
		ck_assert(rowbinary_add(rb, name, "String", "/userId", why, sizeof why) == 0);
	}
	ck_assert(rowbinary_add(rb, "one-more", "String", "/userId", why, sizeof why) == -1);
	ck_assert_uint_eq(rowbinary_columns(rb), ROWBINARY_COLUMNS_MAX);
	rowbinary_free(rb);
}
END_TEST

#define COUNT(a) ((int)(sizeof(a) / sizeof(a[0])))

int
main(void)
{
	Suite *s = suite_create("rowbinary");
	TCase *tc = tcase_create("rows");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_loop_test(tc, value_becomes_these_bytes, 0, COUNT(values));
	tcase_add_test(tc, default_columns_are_the_four_of_every_event);
	tcase_add_loop_test(tc, source_gives_this_text, 0, COUNT(sources));
	tcase_add_test(tc, fault_names_the_column_that_did_not_fit);
	tcase_add_loop_test(tc, type_that_is_none_is_refused_with_a_sentence, 0, COUNT(bad_types));
	tcase_add_test(tc, type_printed_is_the_type_read);
	tcase_add_test(tc, columns_are_refused_that_cannot_be);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
