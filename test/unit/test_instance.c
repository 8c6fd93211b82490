/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	test_instance - the file that says who this installation is
 */
#include "daemon/instance.h"

#include <check.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/sluice-instance.XXXXXX";
static char text[512];

static void
setup(void)
{
	memcpy(dir + sizeof dir - 7, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void
teardown(void)
{
	char path[64];

	(void)snprintf(path, sizeof path, "%s/instance", dir);
	(void)unlink(path);
	(void)snprintf(path, sizeof path, "%s/instance.new", dir);
	(void)unlink(path);
	(void)rmdir(dir);
}

START_TEST(saved_instance_is_loaded_again)
{
	struct instance a, b;
	struct stat st;
	char path[64];

	instance_make(&a);
	a.generation = 18446744073709551615u;
	ck_assert_int_eq(instance_save(dir, &a, text, sizeof text), 0);
	ck_assert_int_eq(instance_load(dir, &b, text, sizeof text), INSTANCE_OK);
	ck_assert_mem_eq(&a, &b, sizeof a);
	(void)snprintf(path, sizeof path, "%s/instance", dir);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
}
END_TEST

START_TEST(absent_is_not_bad)
{
	struct instance i;

	ck_assert_int_eq(instance_load(dir, &i, text, sizeof text), INSTANCE_ABSENT);
	ck_assert_int_eq(instance_load("/no/such/folder", &i, text, sizeof text), INSTANCE_ABSENT);
}
END_TEST

START_TEST(folder_that_cannot_be_written_is_said)
{
	struct instance i;

	instance_make(&i);
	ck_assert_int_eq(instance_save("/no/such/folder", &i, text, sizeof text), -1);
	ck_assert_ptr_nonnull(strstr(text, "/no/such/folder/instance"));
}
END_TEST

START_TEST(two_instances_differ_and_are_version_4)
{
	struct instance a, b;
	char uuid[INSTANCE_UUID_TEXT];

	instance_make(&a);
	instance_make(&b);
	ck_assert_mem_ne(a.uuid, b.uuid, 16);
	ck_assert_mem_ne(a.dedup_key, b.dedup_key, 16);
	instance_uuid_text(a.uuid, uuid);
	ck_assert_uint_eq(strlen(uuid), 36);
	ck_assert_int_eq(uuid[14], '4');
	ck_assert_ptr_nonnull(strchr("89ab", uuid[19]));
}
END_TEST

START_TEST(key_check_depends_on_every_bit_of_the_key)
{
	uint8_t key[16] = { 0 }, first[8], other[8];
	unsigned same = 0;

	instance_key_check(key, first);
	for (int bit = 0; bit < 128; bit++) {
		key[bit / 8] ^= (uint8_t)(1 << bit % 8);
		instance_key_check(key, other);
		same += memcmp(first, other, 8) == 0;
		key[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	ck_assert_uint_eq(same, 0);
}
END_TEST

#define UUID  "uuid 01234567-89ab-4def-8123-456789abcdef\n"
#define GEN   "generation 7\n"
#define KEY   "dedup-key 00112233-4455-6677-8899-aabbccddeeff\n"
#define END   "end\n"

static const struct {
	const char *bytes;
	bool is_good;
} cases[] = {
	{ UUID GEN KEY END, true },
	{ "# a comment\n\n" KEY GEN UUID "end", true },
	{ UUID GEN KEY, false },		 /* cut before the end */
	{ UUID GEN KEY "en", false },
	{ UUID GEN END, false },
	{ UUID KEY END, false },
	{ GEN KEY END, false },
	{ UUID "generation \n" KEY END, false },
	{ UUID "generation -1\n" KEY END, false },
	{ UUID "generation 7x\n" KEY END, false },
	{ UUID "generation 18446744073709551616\n" KEY END, false },
	{ "uuid 0123\n" GEN KEY END, false },
	{ "uuid 01234567-89ab-4def-8123-456789abcdef0\n" GEN KEY END, false },
	{ "uuid 0123456g-89ab-4def-8123-456789abcdef\n" GEN KEY END, false },
	{ UUID GEN KEY "more 1\n" END, false },
	{ "", false },
};

START_TEST(file_is_taken_whole_or_not_at_all)
{
	struct instance i;

	ck_assert_int_eq(instance_parse(cases[_i].bytes, strlen(cases[_i].bytes), &i),
	    cases[_i].is_good ? INSTANCE_OK : INSTANCE_BAD);
	if (cases[_i].is_good) {
		ck_assert_uint_eq(i.generation, 7);
		ck_assert_uint_eq(i.uuid[0], 0x01);
		ck_assert_uint_eq(i.uuid[15], 0xef);
		ck_assert_uint_eq(i.dedup_key[1], 0x11);
	}
}
END_TEST

START_TEST(every_cut_is_refused)
{
	static const char whole[] = UUID GEN KEY END;
	struct instance i;
	unsigned taken = 0;

	/* All but the last newline is needed. */
	for (size_t len = 0; len < sizeof whole - 2; len++)
		taken += instance_parse(whole, len, &i) == INSTANCE_OK;
	ck_assert_uint_eq(taken, 0);
}
END_TEST

START_TEST(file_has_a_limit)
{
	char big[1026];
	struct instance i;
	size_t at;

	memset(big, '#', sizeof big);
	at = 1024 - strlen("\n" UUID GEN KEY END);
	memcpy(big + at, "\n" UUID GEN KEY END, strlen("\n" UUID GEN KEY END));
	ck_assert_int_eq(instance_parse(big, 1023, &i), INSTANCE_OK);
	ck_assert_int_eq(instance_parse(big, 1024, &i), INSTANCE_OK);
	ck_assert_int_eq(instance_parse(big, 1025, &i), INSTANCE_BAD);
	big[3] = '\0';
	ck_assert_int_eq(instance_parse(big, 1024, &i), INSTANCE_BAD);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("instance");
	TCase *tc = tcase_create("instance");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, saved_instance_is_loaded_again);
	tcase_add_test(tc, absent_is_not_bad);
	tcase_add_test(tc, folder_that_cannot_be_written_is_said);
	tcase_add_test(tc, two_instances_differ_and_are_version_4);
	tcase_add_test(tc, key_check_depends_on_every_bit_of_the_key);
	tcase_add_loop_test(tc, file_is_taken_whole_or_not_at_all, 0,
	    (int)(sizeof cases / sizeof cases[0]));
	tcase_add_test(tc, every_cut_is_refused);
	tcase_add_test(tc, file_has_a_limit);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
