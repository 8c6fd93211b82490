/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	test_config - limits of the configuration, and that it survives printing
 *
 * DESCRIPTION
 *	What is wrong in words is tested by test/config; here stand the
 *	numbers: each limit at its edge and one beyond.
 *
 * PROCESS
 *	A test.
 *
 * SHARED STATE
 *	None.
 */
#include "common/config.h"

#include <check.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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
	ck_assert_int_eq(errs.n, 0);
}

/* Refused with one error, which is `why`. */
static void
must_refuse(const char *text, const char *why)
{
	ck_assert_int_eq(load(text), CONFIG_INVALID);
	ck_assert_ptr_null(cfg);
	ck_assert_int_eq(errs.n, 1);
	ck_assert_str_eq(errs.text[0], why);
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

START_TEST(a_listener_is_all_that_must_be_written)
{
	must_load(MINIMAL);
	ck_assert_int_eq(cfg->listens, 1);
	ck_assert_str_eq(cfg->listen[0].name, "public");
	ck_assert_int_eq(cfg->listen[0].bind.n, 1);
	ck_assert_int_eq(cfg->listen[0].bind.at[0].family, AF_INET);
	ck_assert_int_eq(cfg->listen[0].processes, 2);
	ck_assert_int_eq(cfg->listen[0].ack, CONFIG_ACK_DURABLE);
	ck_assert_int_eq(cfg->listen[0].min_ack, CONFIG_ACK_MEMORY);
	ck_assert_uint_eq(cfg->listen[0].max_body_bytes, 5 * 1024 * 1024);
	ck_assert_int_eq(cfg->listen[0].idle_timeout_ms, 120000);
	ck_assert_uint_eq(cfg->listen[0].bind_mode, 0660);
	ck_assert_uint_eq(cfg->global.ring_bytes, 64 * 1024 * 1024);
	ck_assert_int_eq(cfg->global.log_level, LOG_LEVEL_INFO);
	ck_assert_str_eq(cfg->journal.path, "/var/lib/sluice/journal");
	ck_assert_int_eq(cfg->dedup.window_ms, 3600000);
	ck_assert_str_eq(cfg->admin.bind.at[0].text, "127.0.0.1:3002");
	ck_assert_int_eq(cfg->processes, 2);
	ck_assert_int_eq(cfg->stream_slots, 6);
	ck_assert_int_eq(cfg->global.stream_slots, 6);
}
END_TEST

START_TEST(equal_files_make_equal_bytes)
{
	struct config *first;

	must_load(MINIMAL "ack memory\n");
	first = cfg;
	cfg = NULL;
	must_load("# other words, same meaning\nlisten 'public'\n\tack memory\n\tprocesses 2\n"
		  "\tbind \"127.0.0.1:3001\"\nglobal\n\tstream-slots 6\n");
	ck_assert_int_eq(memcmp(first, cfg, sizeof *cfg), 0);
	config_free(first);
}
END_TEST

START_TEST(what_is_printed_loads_to_the_same_bytes)
{
	struct config *first;
	char *once, *twice;

	ck_assert_int_eq(setenv("SLUICE_TEST_DIR", "/a # b", 1), 0);
	must_load("global\nuser sluice\nring 1g\nruntime-dir '/run/it''s\\'here'\n"
		  "state-dir \"${SLUICE_TEST_DIR}/\\$HOME \\\"q\\\" \\\\ \\${X}/\"\n"
		  "listen a\nbind unix:/run/a\\ b.sock\nbind [0:0::0:1]:3001\nbind-mode 0600\n"
		  "processes 3\nmax-body 1234567b\nidle-timeout 90001ms\n"
		  "listen b-2\nbind 0.0.0.0:3001\nack memory\nmax-ack memory\n"
		  "journal\nmax-disk 10g\ndedup\nkey tuple\nadmin\nbind [::1]:3002\n");
	ck_assert_str_eq(cfg->global.state_dir, "/a # b/$HOME \"q\" \\ ${X}");
	ck_assert_str_eq(cfg->global.runtime_dir, "/run/its'here");
	ck_assert_str_eq(cfg->listen[0].bind.at[1].text, "[::1]:3001");
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

START_TEST(a_longest_path_full_of_quotes_survives_printing)
{
	char text[1024], path[202] = "/";
	char *once;
	int i;

	for (i = 1; i < 200; i++)
		path[i] = '"';
	(void)snprintf(text, sizeof text, MINIMAL "global\nstate-dir '%s'\n", path);
	must_load(text);
	ck_assert_str_eq(cfg->global.state_dir, path);
	once = print(cfg);
	must_load(once);
	ck_assert_str_eq(cfg->global.state_dir, path);
	free(once);
	path[200] = '"';
	(void)snprintf(text, sizeof text, MINIMAL "global\nstate-dir '%s'\n", path);
	ck_assert_int_eq(load(text), CONFIG_INVALID);
}
END_TEST

/* Each numeric key: section, key, smallest, largest, and one beyond each
 * (NULL: nothing lies beyond). */
static const struct edge {
	const char *head, *key, *below, *least, *most, *above;
} edges[] = {
    {"global", "stream-slots", NULL, "2", "254", "255"},
    {"global", "ring", "32k", "64k", "16g", "32g"},
    {"global", "drain-time", NULL, "0", "1h", "3600001ms"},
    {"global", "hang-time", "999ms", "1s", "1h", "3600001ms"},
    {"", "backlog", "0", "1", "65535", "65536"},
    {"", "processes", "0", "1", "64", "65"},
    {"", "bind-mode", NULL, "000", "0777", "01000"},
    {"", "durable-timeout", "9ms", "10ms", "1h", "3600001ms"},
    {"", "max-connections", "0", "1", "1000000", "1000001"},
    {"", "max-line", "255b", "256b", "32k", "32769b"},
    {"", "max-header", "1023b", "1k", "96k", "98305b"},
    {"", "max-headers", "3", "4", "128", "129"},
    {"", "max-body", "0", "1b", "200m", "1073741825b"},
    {"", "max-event", "1b", "2b", "8388608b", "33554433b"},
    {"", "max-depth", "0", "1", "1000", "1001"},
    {"", "max-batch", "0", "1", "100000", "100001"},
    {"", "max-pipeline", "0", "1", "10000", "10001"},
    {"", "max-buffered", "65535b", "6m", "64g", "65g"},
    {"", "header-timeout", "9ms", "10ms", "1h", "3600001ms"},
    {"", "body-timeout", "9ms", "10ms", "1h", "3600001ms"},
    {"", "idle-timeout", "9ms", "10ms", "24h", "25h"},
    {"", "write-timeout", "9ms", "10ms", "1h", "3600001ms"},
    {"journal", "segment", "1048575b", "32m", "4g", "5g"},
    {"journal", "retain", "999ms", "1h", "87600h", "87601h"},
    {"journal", "commit-linger", NULL, "0", "1s", "1001ms"},
    {"journal", "commit-max", "65535b", "9m", "32m", "1073741825b"},
    {"journal", "max-disk", NULL, "0", "1048576g", "1048577g"},
    {"dedup", "window", "999ms", "1s", "168h", "169h"},
    {"dedup", "table", "32k", "64k", "64g", "128g"},
};

/* Room for each other edge: nothing but the key under test is refused. */
static enum config_result
load_edge(const struct edge *e, const char *value)
{
	static const char room[] = "global\nring 64m\njournal\ncommit-max 16m\nretain 8760h\n";
	char text[512];

	if (strcmp(e->head, "global") == 0)
		(void)snprintf(text, sizeof text, MINIMAL "global\n%s %s\n", e->key, value);
	else if (strcmp(e->head, "journal") == 0)
		(void)snprintf(text, sizeof text, MINIMAL "journal\n%s %s\n", e->key, value);
	else
		(void)snprintf(
		    text, sizeof text, "%s" MINIMAL "%s\n%s %s\n", room, e->head, e->key, value);
	if (strcmp(e->key, "ring") == 0)
		(void)snprintf(
		    text, sizeof text, MINIMAL "max-event 12k\nglobal\nring %s\n", value);
	return load(text);
}

START_TEST(each_number_is_taken_up_to_its_edges_and_refused_beyond)
{
	const struct edge *e = &edges[_i];

	ck_assert_msg(
	    load_edge(e, e->least) == CONFIG_OK, "%s", errs.n > 0 ? errs.text[0] : "no reason");
	ck_assert_msg(
	    load_edge(e, e->most) == CONFIG_OK, "%s", errs.n > 0 ? errs.text[0] : "no reason");
	if (e->below != NULL) {
		ck_assert_int_eq(load_edge(e, e->below), CONFIG_INVALID);
		ck_assert_ptr_nonnull(strstr(errs.text[0], "is out of range"));
	}
	ck_assert_int_eq(load_edge(e, e->above), CONFIG_INVALID);
	ck_assert_ptr_nonnull(strstr(errs.text[0], "is out of range"));
}
END_TEST

START_TEST(sixteen_listeners_and_no_more)
{
	char text[4096];
	size_t at = 0;
	int i;

	for (i = 0; i < CONFIG_LISTEN_MAX; i++)
		at += (size_t)snprintf(text + at, sizeof text - at,
		    "listen l%d\nbind 127.0.0.1:%d\nprocesses 1\n", i, 5000 + i);
	must_load(text);
	ck_assert_int_eq(cfg->listens, CONFIG_LISTEN_MAX);
	ck_assert_int_eq(cfg->stream_slots, 34);
	(void)snprintf(text + at, sizeof text - at, "listen more\nbind 127.0.0.1:4999\n");
	must_refuse(text, "t:49: listen: at most 16 listeners are possible; one may have 8 bind "
			  "lines");
}
END_TEST

START_TEST(eight_addresses_and_no_more)
{
	char text[1024];
	size_t at;
	int i;

	at = (size_t)snprintf(text, sizeof text, "listen public\n");
	for (i = 0; i < CONFIG_BIND_MAX; i++)
		at +=
		    (size_t)snprintf(text + at, sizeof text - at, "bind 127.0.0.1:%d\n", 5000 + i);
	must_load(text);
	ck_assert_int_eq(cfg->listen[0].bind.n, CONFIG_BIND_MAX);
	(void)snprintf(text + at, sizeof text - at, "bind 127.0.0.1:4999\n");
	must_refuse(text, "t:10: bind: 8 addresses are allowed in a section");
}
END_TEST

START_TEST(all_processes_together_fit_the_owner_byte)
{
	char text[512];
	static const char four[] = "listen a\nbind 127.0.0.1:1\nprocesses 64\n"
				   "listen b\nbind 127.0.0.1:2\nprocesses 64\n"
				   "listen c\nbind 127.0.0.1:3\nprocesses 64\n"
				   "listen d\nbind 127.0.0.1:4\nprocesses %d\n";

	(void)snprintf(text, sizeof text, four, 62);
	must_load(text);
	ck_assert_int_eq(cfg->processes, 254);
	ck_assert_int_eq(cfg->stream_slots, 254);
	(void)snprintf(text, sizeof text, four, 63);
	must_refuse(text, "t:12: processes: all listeners together have 255 processes, 254 are "
			  "possible");
	must_load(MINIMAL "processes 3\nglobal\nstream-slots 3\n");
	ck_assert_int_eq(cfg->stream_slots, 3);
	must_refuse(MINIMAL "processes 3\nglobal\nstream-slots 2\n",
	    "t:5: stream-slots: 2 are less than the 3 processes of all listeners (try 0: as many "
	    "as are needed for a reload)");
}
END_TEST

START_TEST(an_event_is_at_most_a_quarter_of_its_ring)
{
	must_load("global\nring 64k\n" MINIMAL "max-event 12k\n");
	must_refuse("global\nring 64k\n" MINIMAL "max-event 12289b\n",
	    "t:5: max-event: an event of 12289b needs a ring of 128k (four frames), ring is 64k");
	must_refuse("global\nring 1m\n" MINIMAL,
	    "t:2: ring: an event of 256k needs a ring of 2m (four frames), ring is 1m");
	must_load("journal\ncommit-max 264k\n" MINIMAL "max-event 260k\n");
	must_refuse("journal\ncommit-max 264k\n" MINIMAL "max-event 266241b\n",
	    "t:5: max-event: an event of 266241b and its frame (270337b) must fit in commit-max, "
	    "which is 264k");
}
END_TEST

START_TEST(a_name_has_at_most_32_bytes)
{
	must_load("listen abcdefghijklmnopqrstuvwxyz-01234\nbind 127.0.0.1:1\n");
	ck_assert_int_eq(
	    load("listen abcdefghijklmnopqrstuvwxyz-012345\nbind 127.0.0.1:1\n"), CONFIG_INVALID);
	ck_assert_int_eq(load("listen Public\nbind 127.0.0.1:1\n"), CONFIG_INVALID);
	ck_assert_int_eq(load("listen ''\nbind 127.0.0.1:1\n"), CONFIG_INVALID);
}
END_TEST

START_TEST(a_line_and_a_file_have_their_limits)
{
	static char text[CONFIG_FILE_MAX_BYTES + 2];
	size_t at = strlen(MINIMAL);

	memcpy(text, MINIMAL, at);
	memset(text + at, '#', CONFIG_LINE_MAX_BYTES);
	text[at + CONFIG_LINE_MAX_BYTES] = '\n';
	must_load(text);
	text[at + CONFIG_LINE_MAX_BYTES] = '#';
	text[at + CONFIG_LINE_MAX_BYTES + 1] = '\n';
	must_refuse(text, "t:3: the line has 65537 bytes, 65536 are allowed");

	memset(text + at, '\n', CONFIG_FILE_MAX_BYTES - at);
	must_load(text);
	text[CONFIG_FILE_MAX_BYTES] = '\n';
	must_refuse(text, "t: has more than 1048576 bytes");
}
END_TEST

START_TEST(a_line_filled_by_the_environment_has_its_limit)
{
	static char value[CONFIG_LINE_MAX_BYTES];

	memset(value, 'x', sizeof value - 1);
	ck_assert_int_eq(setenv("SLUICE_TEST_BIG", value, 1), 0);
	ck_assert_int_eq(load(MINIMAL "global\nuser ${SLUICE_TEST_BIG}\n"), CONFIG_INVALID);
	ck_assert_ptr_nonnull(strstr(errs.text[0], "has 65535 bytes, 32 are allowed"));
	must_refuse(MINIMAL "global\nuser ${SLUICE_TEST_BIG}${SLUICE_TEST_BIG}\n",
	    "t:4: the line is too long once ${...} is replaced");
}
END_TEST

START_TEST(what_the_environment_gives_stays_one_word)
{
	ck_assert_int_eq(setenv("SLUICE_TEST_DIR", "/a b\"c#d ${HOME}", 1), 0);
	must_load(MINIMAL "global\nstate-dir ${SLUICE_TEST_DIR}/e\n");
	ck_assert_str_eq(cfg->global.state_dir, "/a b\"c#d ${HOME}/e");
	ck_assert_int_eq(setenv("SLUICE_TEST_DIR", "/a\nring 1g", 1), 0);
	must_refuse(MINIMAL "global\nstate-dir ${SLUICE_TEST_DIR}\n",
	    "t:4: ${SLUICE_TEST_DIR}: the variable holds a control character");
}
END_TEST

START_TEST(a_file_cut_short_anywhere_is_refused_or_means_less)
{
	static const char whole[] = "global\n    drain-time 10s\n" MINIMAL "processes 12\n";
	size_t len, refused = 0;

	for (len = 0; len < sizeof whole - 1; len++) {
		teardown();
		if (config_parse_memory("t", whole, len, &cfg, &errs) == CONFIG_OK)
			ck_assert_int_eq(whole[len - 1], '\n');
		else
			refused++;
	}
	/* Only whole lines pass: behind bind, and none else. */
	ck_assert_uint_eq(refused, sizeof whole - 2);
}
END_TEST

START_TEST(errors_beyond_the_limit_are_counted)
{
	static char text[8192];
	size_t at = 0;
	int i;

	for (i = 0; i < 250; i++)
		at += (size_t)snprintf(text + at, sizeof text - at, "xyzzy\n");
	ck_assert_int_eq(load(text), CONFIG_INVALID);
	ck_assert_int_eq(errs.n, 200);
	ck_assert_int_eq(errs.unlisted, 51); /* and no listener */
}
END_TEST

/*----------------------------------------------------------- with files */

static char dir[64];

static void
files_setup(void)
{
	setup();
	(void)snprintf(dir, sizeof dir, "/tmp/test_config.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void
files_teardown(void)
{
	char path[128];
	int i;

	for (i = 0; i < 20; i++) {
		(void)snprintf(path, sizeof path, "%s/%d.conf", dir, i);
		(void)unlink(path);
	}
	(void)rmdir(dir);
	teardown();
}

static void put_file(int n, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void
put_file(int n, const char *fmt, ...)
{
	char path[128];
	va_list ap;
	FILE *to;

	(void)snprintf(path, sizeof path, "%s/%d.conf", dir, n);
	ck_assert_ptr_nonnull(to = fopen(path, "w"));
	va_start(ap, fmt);
	(void)vfprintf(to, fmt, ap);
	va_end(ap);
	ck_assert_int_eq(fclose(to), 0);
}

static enum config_result
load_file(int n)
{
	char path[128];

	teardown();
	(void)snprintf(path, sizeof path, "%s/%d.conf", dir, n);
	return config_load(path, &cfg, &errs);
}

START_TEST(includes_nest_eight_deep_and_no_deeper)
{
	int i;

	for (i = 1; i < 9; i++)
		put_file(i, "include %d.conf\n", i + 1);
	put_file(9, MINIMAL);
	ck_assert_int_eq(load_file(1), CONFIG_INVALID);
	ck_assert_ptr_nonnull(strstr(errs.text[0], "8.conf:1: include: files are included 8 deep"));
	ck_assert_int_eq(load_file(2), CONFIG_OK);
	ck_assert_int_eq(cfg->listens, 1);
}
END_TEST

START_TEST(a_file_inside_itself_is_refused_once)
{
	put_file(1, MINIMAL "include 2.conf\n");
	put_file(2, "include [12].conf\n");
	ck_assert_int_eq(load_file(1), CONFIG_INVALID);
	ck_assert_int_eq(errs.n, 2);
	ck_assert_ptr_nonnull(strstr(errs.text[0], "2.conf:1: include: "));
	ck_assert_ptr_nonnull(strstr(errs.text[0], "the file would include itself"));
}
END_TEST

START_TEST(the_number_of_files_is_bounded)
{
	int i;

	/* More than 3^7 files would be read without the bound. */
	put_file(8, "# empty\n");
	for (i = 1; i < 8; i++)
		put_file(
		    i, "include %d.conf\ninclude %d.conf\ninclude %d.conf\n", i + 1, i + 1, i + 1);
	ck_assert_int_eq(load_file(1), CONFIG_INVALID);
	ck_assert_ptr_nonnull(strstr(errs.text[0], "too many files are included"));
}
END_TEST

START_TEST(a_file_that_is_too_large_is_refused)
{
	char path[128];

	put_file(1, MINIMAL);
	(void)snprintf(path, sizeof path, "%s/1.conf", dir);
	ck_assert_int_eq(truncate(path, CONFIG_FILE_MAX_BYTES + 1), 0);
	ck_assert_int_eq(load_file(1), CONFIG_INVALID);
	ck_assert_int_eq(errs.n, 1);
	ck_assert_ptr_nonnull(strstr(errs.text[0], "has more than 1 MiB"));
}
END_TEST

START_TEST(a_file_that_is_not_there_is_one_error)
{
	ck_assert_int_eq(load_file(19), CONFIG_INVALID);
	ck_assert_int_eq(errs.n, 1);
	ck_assert_ptr_nonnull(strstr(errs.text[0], "No such file"));
	teardown();
	ck_assert_int_eq(config_load(dir, &cfg, &errs), CONFIG_INVALID);
	ck_assert_ptr_nonnull(strstr(errs.text[0], "is a folder"));
}
END_TEST

START_TEST(an_endless_file_ends)
{
	ck_assert_int_eq(config_load("/dev/zero", &cfg, &errs), CONFIG_INVALID);
	ck_assert_int_eq(errs.n, 1);
}
END_TEST

START_TEST(include_needs_files)
{
	must_refuse("include /etc/hostname\n" MINIMAL, "t:1: include: not possible here");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("config");
	TCase *tc = tcase_create("text"), *files = tcase_create("files");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_listener_is_all_that_must_be_written);
	tcase_add_test(tc, equal_files_make_equal_bytes);
	tcase_add_test(tc, what_is_printed_loads_to_the_same_bytes);
	tcase_add_test(tc, a_longest_path_full_of_quotes_survives_printing);
	tcase_add_loop_test(tc, each_number_is_taken_up_to_its_edges_and_refused_beyond, 0,
	    sizeof edges / sizeof *edges);
	tcase_add_test(tc, sixteen_listeners_and_no_more);
	tcase_add_test(tc, eight_addresses_and_no_more);
	tcase_add_test(tc, all_processes_together_fit_the_owner_byte);
	tcase_add_test(tc, an_event_is_at_most_a_quarter_of_its_ring);
	tcase_add_test(tc, a_name_has_at_most_32_bytes);
	tcase_add_test(tc, a_line_and_a_file_have_their_limits);
	tcase_add_test(tc, a_line_filled_by_the_environment_has_its_limit);
	tcase_add_test(tc, what_the_environment_gives_stays_one_word);
	tcase_add_test(tc, a_file_cut_short_anywhere_is_refused_or_means_less);
	tcase_add_test(tc, errors_beyond_the_limit_are_counted);
	tcase_add_test(tc, include_needs_files);
	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(files, files_setup, files_teardown);
	tcase_add_test(files, includes_nest_eight_deep_and_no_deeper);
	tcase_add_test(files, a_file_inside_itself_is_refused_once);
	tcase_add_test(files, the_number_of_files_is_bounded);
	tcase_add_test(files, a_file_that_is_too_large_is_refused);
	tcase_add_test(files, a_file_that_is_not_there_is_one_error);
	tcase_add_test(files, an_endless_file_ends);
	suite_add_tcase(s, files);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
