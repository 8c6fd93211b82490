/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	test_prometheus - the metrics are in the text format 0.0.4
 */
#include "test/unit/stats_region.h"

#include <ctype.h>

START_TEST(counters_carry_their_labels)
{
	stats_metrics(&stats, &out);
	CK_LINE(out.buf, "sluice_received_total{stage=\"http 0\",stream=\"0\"} 60");
	CK_LINE(out.buf, "sluice_received_total{stage=\"http 5\",stream=\"2\"} 15");
	CK_LINE(out.buf, "sluice_put_total{stage=\"http 1\",stream=\"1\"} 20");
	CK_LINE(out.buf, "sluice_unread_bytes{stage=\"http 1\",stream=\"1\"} 3200");
	CK_LINE(out.buf, "sluice_journal_commits_total{stage=\"journal\"} 0");
	CK_LINE(out.buf, "sluice_process_rss_kb{stage=\"admin\",page=\"4\"} 2048");
	CK_LINE(out.buf,
	    "sluice_process_started_time_seconds{stage=\"http 0\",page=\"1\"} 1699999910.000");
	CK_LINE(out.buf, "sluice_stage_up{stage=\"http 0\",page=\"1\"} 1");
	CK_LINE(out.buf, "sluice_ready 1");
	CK_LINE(out.buf, "sluice_journal_trouble{reason=\"disk_full\"} 0");
	ck_assert_ptr_null(strstr(out.buf, "stream=\"3\""));
}
END_TEST

START_TEST(blocked_journal_is_not_ready)
{
	page_blocked(region.page[3], "fdatasync", MONO_NS - 12500 * CLOCK_NS_PER_MS);
	stats_metrics(&stats, &out);
	CK_LINE(out.buf, "sluice_ready 0");
	CK_LINE(out.buf, "sluice_stage_ready{stage=\"journal\",page=\"3\"} 0");
	CK_LINE(out.buf, "sluice_process_blocked_seconds{stage=\"journal\",page=\"3\"} 12.500");
	CK_LINE(out.buf, "sluice_process_blocked_seconds{stage=\"http 0\",page=\"1\"} 0.000");
	CK_LINE(out.buf, "# TYPE sluice_process_blocked_seconds gauge");
}
END_TEST

START_TEST(each_counter_has_help_and_type)
{
	const struct counter_row *rows;
	size_t n, bad = 0;
	char line[200];

	stats_metrics(&stats, &out);
	rows = counters_table(&n);
	for (size_t i = 0; i < n; i++) {
		const char *prefix = rows[i].owner == COUNTER_OWNER_STREAM ? ""
		    : rows[i].owner == COUNTER_OWNER_JOURNAL		   ? "journal_"
		    : rows[i].owner == COUNTER_OWNER_SINK		   ? "sink_"
									   : "process_";
		const char *suffix = rows[i].nature == COUNTER_COUNT ? "_total"
		    : rows[i].nature == COUNTER_AGE		     ? "_time_seconds"
								     : "";

		(void)snprintf(line, sizeof line, "# HELP sluice_%s%s%s ", prefix, rows[i].name,
		    suffix);
		bad += !has_line(out.buf, line);
		(void)snprintf(line, sizeof line, "# TYPE sluice_%s%s%s %s", prefix, rows[i].name,
		    suffix, rows[i].nature == COUNTER_COUNT ? "counter" : "gauge");
		bad += !has_line(out.buf, line);
	}
	ck_assert_uint_eq(bad, 0);
}
END_TEST

/* Is it NAME[{NAME="..",..}] VALUE of the family? */
static bool
is_sample(const char *line, const char *family)
{
	size_t len = strlen(family);

	if (strncmp(line, family, len) != 0)
		return false;
	line += len;
	if (*line == '{') {
		do {
			line++;
			while (isalnum((unsigned char)*line) || *line == '_')
				line++;
			if (line[0] != '=' || line[1] != '"')
				return false;
			for (line += 2; *line != '"'; line++)
				if (*line == '\0' || (*line == '\\' && *++line == '\0'))
					return false;
			line++;
		} while (*line == ',');
		if (*line++ != '}')
			return false;
	}
	if (*line++ != ' ' || !isdigit((unsigned char)*line))
		return false;
	while (isdigit((unsigned char)*line) || *line == '.')
		line++;
	return *line == '\0';
}

/* A family's lines stand together: HELP, TYPE, samples; no sample comes twice. */
START_TEST(format_is_what_a_scraper_reads)
{
	char *text, *line, *next, family[128] = "", seen[400][128];
	size_t families = 0, samples = 0, bad = 0;

	stats_metrics(&stats, &out);
	ck_assert_int_eq(out.buf[out.len - 1], '\n');
	text = strdup(out.buf);
	for (line = text; *line != '\0'; line = next) {
		next = strchr(line, '\n') + 1;
		next[-1] = '\0';
		if (strncmp(line, "# HELP ", 7) == 0) {
			(void)snprintf(family, sizeof family, "%.*s", (int)strcspn(line + 7, " "),
			    line + 7);
			for (size_t i = 0; i < families; i++)
				bad += strcmp(seen[i], family) == 0;
			memcpy(seen[families++], family, sizeof family);
		} else if (strncmp(line, "# TYPE ", 7) == 0) {
			bad += strncmp(line + 7, family, strlen(family)) != 0;
		} else {
			samples++;
			bad += !is_sample(line, family);
		}
	}
	free(text);
	ck_assert_uint_eq(bad, 0);
	ck_assert_uint_gt(families, 60);
	ck_assert_uint_gt(samples, families);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("prometheus");
	TCase *tc = tcase_create("prometheus");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, region_setup, region_teardown);
	tcase_add_test(tc, counters_carry_their_labels);
	tcase_add_test(tc, blocked_journal_is_not_ready);
	tcase_add_test(tc, each_counter_has_help_and_type);
	tcase_add_test(tc, format_is_what_a_scraper_reads);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
