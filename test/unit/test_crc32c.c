/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	test_crc32c - the CRC gives what RFC 3720 says, however it is cut
 *
 * DESCRIPTION
 *	Vectors of RFC 3720 B.4, then every length and alignment against the table.
 *
 * PROCESS
 *	A program of its own.
 *
 * SHARED STATE
 *	None.
 */
#include <check.h>
#include <stdlib.h>

#include "common/bytes.h"
#include "common/crc32c.h"

#define LEN_MAX 8192

static uint8_t data[LEN_MAX], copy[LEN_MAX + 1];

static const struct {
	const char *name;
	uint8_t first;
	int step;
	uint32_t crc;
} vectors[] = {
    {"32 zeros", 0x00, 0, 0x8a9136aa},
    {"32 ones", 0xff, 0, 0x62a8ab43},
    {"ascending", 0x00, 1, 0x46dd794e},
    {"descending", 0x1f, -1, 0x113fdb5c},
};

START_TEST(vectors_of_rfc_3720)
{
	uint8_t in[32];

	for (int i = 0; i < 32; i++)
		in[i] = (uint8_t)(vectors[_i].first + i * vectors[_i].step);
	ck_assert_uint_eq(crc32c(0, in, sizeof(in)), vectors[_i].crc);
	ck_assert_uint_eq(crc32c_portable(0, in, sizeof(in)), vectors[_i].crc);
}
END_TEST

START_TEST(scsi_read_command_of_rfc_3720)
{
	static const uint8_t in[48] = {0x01,
	    0xc0, [16] = 0x14, [22] = 0x04, [27] = 0x14, [31] = 0x18, [32] = 0x28, [40] = 0x02};

	ck_assert_uint_eq(crc32c(0, in, sizeof(in)), 0xd9963a56);
}
END_TEST

START_TEST(nothing_is_zero_and_digits_are_known)
{
	ck_assert_uint_eq(crc32c(0, NULL, 0), 0);
	ck_assert_uint_eq(crc32c(0, "123456789", 9), 0xe3069283);
}
END_TEST

START_TEST(every_length_agrees_with_the_table)
{
	size_t bad = 0;

	for (size_t len = 0; len <= LEN_MAX - 8; len += len < 700 ? 1 : 37) {
		for (size_t off = 0; off < 8; off += 3) {
			uint32_t want = crc32c_portable(7, data + off, len);

			bad += crc32c(7, data + off, len) != want;
			copy[len] = 0xa5;
			bad += crc32c_copy(7, copy, data + off, len) != want;
			bad += len > 0 && memcmp(copy, data + off, len) != 0;
			bad += copy[len] != 0xa5;
		}
	}
	ck_assert_uint_eq(bad, 0);
}
END_TEST

START_TEST(parts_give_the_whole)
{
	uint32_t whole = crc32c(0, data, 600);
	size_t bad = 0;

	for (size_t cut = 0; cut <= 600; cut++)
		bad += crc32c(crc32c(0, data, cut), data + cut, 600 - cut) != whole;
	ck_assert_uint_eq(bad, 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("crc32c");
	TCase *tc = tcase_create("crc32c");
	SRunner *runner = srunner_create(suite);
	uint32_t x = 1;
	int failed;

	for (size_t i = 0; i < LEN_MAX; i++)
		data[i] = (uint8_t)((x = x * 1664525 + 1013904223) >> 24);
	tcase_add_loop_test(tc, vectors_of_rfc_3720, 0, sizeof(vectors) / sizeof(vectors[0]));
	tcase_add_test(tc, scsi_read_command_of_rfc_3720);
	tcase_add_test(tc, nothing_is_zero_and_digits_are_known);
	tcase_add_test(tc, every_length_agrees_with_the_table);
	tcase_add_test(tc, parts_give_the_whole);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
