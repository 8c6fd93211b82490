/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	test_region - shared memory: whole or absent, and read-only for strangers
 */
#include "shm/region.h"
#include "shm/word.h"

#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char top[] = "/dev/shm/sluice-region.XXXXXX";
static char dir[64];
static char text[512];
static struct region region;
static const struct region_params params = { .instance = "0123456789abcde",
	.generation = 7,
	.slots = 3,
	.pages = 4,
	.ring_capacity = 65536,
	.dedup_bytes = 65536,
	.dedup_window_ms = 3600000,
	.dedup_key_check = "keychec",
	.uid = (uid_t)-1,
	.gid = (gid_t)-1 };

static void
setup(void)
{
	memcpy(top + sizeof top - 7, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(top));
	(void)snprintf(dir, sizeof dir, "%s/region", top);
	ck_assert_msg(region_create(dir, &params, text, sizeof text) == REGION_OK, "%s", text);
	ck_assert_msg(region_open(&region, dir, true, text, sizeof text) == REGION_OK, "%s", text);
}

static void
teardown(void)
{
	region_close(&region);
	(void)region_remove(dir);
	(void)rmdir(top);
}

/* Write `len` bytes at an offset of one of the region's files. */
static void
poke(const char *name, off_t off, const void *bytes, size_t len)
{
	char path[128];
	int fd;

	(void)snprintf(path, sizeof path, "%s/%s", dir, name);
	fd = open(path, O_WRONLY);
	ck_assert_int_ne(fd, -1);
	ck_assert_int_eq(pwrite(fd, bytes, len, off), (ssize_t)len);
	close(fd);
}

static enum region_result
open_again(void)
{
	region_close(&region);
	return region_open(&region, dir, true, text, sizeof text);
}

START_TEST(region_says_what_it_was_made_of)
{
	const struct region_header *h = region.header;

	ck_assert_uint_eq(h->generation, 7);
	ck_assert_mem_eq(h->instance, params.instance, 16);
	ck_assert_mem_eq(h->dedup_key_check, params.dedup_key_check, 8);
	ck_assert_uint_eq(region.slots, 3);
	ck_assert_uint_eq(region.pages, 4);
	ck_assert_uint_eq(region.ring_capacity, 65536);
	ck_assert_uint_eq(region.slot[2]->stream, 2);
	ck_assert_uint_eq(region.page[3]->index, 3);
}
END_TEST

START_TEST(words_outlive_the_maps)
{
	word_store(&region.header->next_generation, 99);
	word_store(&region.slot[1]->active, 5);
	ck_assert_int_eq(open_again(), REGION_OK);
	ck_assert_uint_eq(word_load(&region.header->next_generation), 99);
	ck_assert_uint_eq(word_load(&region.slot[1]->active), 5);
}
END_TEST

START_TEST(ring_lies_twice_side_by_side)
{
	ck_assert_int_eq(region_prepare_slot(&region, 1, text, sizeof text), REGION_OK);
	region.ring_data[1][5] = 0xa5;
	ck_assert_uint_eq(region.ring_data[1][65536 + 5], 0xa5);
	region.ring_data[1][2 * 65536 - 1] = 0x5a;
	ck_assert_uint_eq(region.ring_data[1][65535], 0x5a);
}
END_TEST

START_TEST(no_region_is_absent)
{
	region_close(&region);
	ck_assert_int_eq(region_remove(dir), 0);
	ck_assert_int_eq(region_open(&region, dir, true, text, sizeof text), REGION_ABSENT);
	ck_assert_int_eq(region_remove(dir), 0);
}
END_TEST

START_TEST(another_boot_is_another_region)
{
	poke("region", offsetof(struct region_header, boot_id), "another boot", 12);
	ck_assert_int_eq(open_again(), REGION_OTHER_BOOT);
}
END_TEST

START_TEST(another_layout_is_named)
{
	uint32_t version = LAYOUT_VERSION + 1;

	poke("region", offsetof(struct region_header, layout_version), &version, sizeof version);
	ck_assert_int_eq(open_again(), REGION_LAYOUT);
	ck_assert_ptr_nonnull(strstr(text, "layout"));
}
END_TEST

static const struct {
	const char *file;
	off_t off;
	uint64_t value;
	size_t len;
} damages[] = {
	{ "region", offsetof(struct region_header, magic), 0, 4 },
	{ "region", offsetof(struct region_header, slots), 0, 4 },
	{ "region", offsetof(struct region_header, slots), LAYOUT_SLOTS_MAX + 1, 4 },
	{ "region", offsetof(struct region_header, slots), 4, 4 }, /* more than there are files */
	{ "region", offsetof(struct region_header, pages), 0, 4 },
	{ "region", offsetof(struct region_header, pages), LAYOUT_PAGES_MAX + 1, 4 },
	{ "region", offsetof(struct region_header, ring_capacity), 65535, 8 },
	{ "region", offsetof(struct region_header, ring_capacity), 131072, 8 },
	{ "region", offsetof(struct region_header, dedup_bytes), 1 << 30, 8 },
	{ "dedup", 0, 0, 4 },
};

START_TEST(damage_is_refused_and_not_followed)
{
	poke(damages[_i].file, damages[_i].off, &damages[_i].value, damages[_i].len);
	ck_assert_int_eq(open_again(), REGION_BAD);
	ck_assert_uint_ne(strlen(text), 0);
}
END_TEST

static const char *const files[] = { "journal", "dedup", "page.0", "page.3", "slot.2" };

START_TEST(missing_part_is_refused)
{
	char path[128];

	(void)snprintf(path, sizeof path, "%s/%s", dir, files[_i]);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(open_again(), REGION_BAD);
}
END_TEST

START_TEST(short_part_is_refused)
{
	char path[128];

	(void)snprintf(path, sizeof path, "%s/%s", dir, files[_i]);
	ck_assert_int_eq(truncate(path, 4095), 0);
	ck_assert_int_eq(open_again(), REGION_BAD);
}
END_TEST

START_TEST(building_that_was_interrupted_is_built_again)
{
	char building[128], path[160];

	(void)snprintf(building, sizeof building, "%s.new", dir);
	ck_assert_int_eq(mkdir(building, 0750), 0);
	(void)snprintf(path, sizeof path, "%s/junk", building);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	region_close(&region);
	ck_assert_int_eq(region_create(dir, &params, text, sizeof text), REGION_OK);
	ck_assert_int_eq(access(building, F_OK), -1);
	ck_assert_int_eq(open_again(), REGION_OK);
}
END_TEST

/* One store to each part by a process with the rights of an acceptor. */
static void *
part(int which)
{
	switch (which) {
	case 0:
		return &region.page[1]->heartbeat;
	case 1:
		return &region.slot[2]->active;
	case 2:
		return region.ring_data[2];
	case 3:
		return region.ring_data[2] + 65536;
	case 4:
		return (uint8_t *)region.dedup.header + region.dedup_len - 8;
	case 5:
		return &region.header->phase;
	case 6:
		return &region.journal->active;
	case 7:
		return &region.page[0]->heartbeat;
	case 8:
		return &region.slot[1]->active;
	case 9:
		return region.ring_data[1];
	default:
		return region.ring_data[0] + 2 * 65536 - 8;
	}
}

START_TEST(strangers_die_of_a_write_and_owners_do_not)
{
	const struct region_rights rights = { .slot = 2, .page = 1, .sink = -1, .dedup = true };
	bool may = _i <= 4;
	int status;
	pid_t pid;

	for (uint32_t i = 0; i < region.slots; i++)
		ck_assert_int_eq(region_prepare_slot(&region, i, text, sizeof text), REGION_OK);
	pid = fork();
	if (pid == 0) {
		(void)signal(SIGSEGV, SIG_DFL);
		region_protect(&region, &rights);
		*(volatile uint64_t *)part(_i) = 1;
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	if (may)
		ck_assert_int_eq(status, 0);
	else /* a sanitizer turns the signal into an exit */
		ck_assert_int_ne(status, 0);
	/* The parent's rights are its own. */
	*(volatile uint64_t *)part(_i) = 2;
}
END_TEST

START_TEST(reader_maps_without_writing)
{
	struct region reader;
	int status;
	pid_t pid;

	ck_assert_int_eq(region_open(&reader, dir, false, text, sizeof text), REGION_OK);
	pid = fork();
	if (pid == 0) {
		(void)signal(SIGSEGV, SIG_DFL);
		*(volatile uint64_t *)&reader.page[0]->heartbeat = 1;
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_ne(status, 0);
	region_close(&reader);
}
END_TEST

START_TEST(full_file_system_is_said_with_its_numbers)
{
	struct region_params big = params;

	/* A tmpfs refuses at once what is larger than itself. */
	big.dedup_bytes = UINT64_C(1) << 45;
	ck_assert_int_eq(region_create(dir, &big, text, sizeof text), REGION_NO_ROOM);
	ck_assert_ptr_nonnull(strstr(text, " KiB are free: enlarge"));
	/* What was there before is still there. */
	ck_assert_int_eq(open_again(), REGION_OK);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("region");
	TCase *tc = tcase_create("region");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, region_says_what_it_was_made_of);
	tcase_add_test(tc, words_outlive_the_maps);
	tcase_add_test(tc, ring_lies_twice_side_by_side);
	tcase_add_test(tc, no_region_is_absent);
	tcase_add_test(tc, another_boot_is_another_region);
	tcase_add_test(tc, another_layout_is_named);
	tcase_add_loop_test(tc, damage_is_refused_and_not_followed, 0,
	    (int)(sizeof damages / sizeof damages[0]));
	tcase_add_loop_test(tc, missing_part_is_refused, 0, 5);
	tcase_add_loop_test(tc, short_part_is_refused, 0, 5);
	tcase_add_test(tc, building_that_was_interrupted_is_built_again);
	tcase_add_loop_test(tc, strangers_die_of_a_write_and_owners_do_not, 0, 11);
	tcase_add_test(tc, reader_maps_without_writing);
	tcase_add_test(tc, full_file_system_is_said_with_its_numbers);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
