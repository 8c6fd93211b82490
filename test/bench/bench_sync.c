/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	bench_sync - how long the disk takes, with nothing around it
 *
 * DESCRIPTION
 *	bench_sync DIRECTORY [SECONDS]: one 512-byte pwrite and one fdatasync
 *	after the other, each further on, in a file that was filled with zeros
 *	and synced before.  Prints: syncs N p50 US p99 US p999 US max US
 *
 * PROCESS
 *	A program of its own.
 *
 * SHARED STATE
 *	None.
 */
#include "test/bench/bench_histogram.h"
#include "test/bench/bench_client.h"

#include <fcntl.h>

#define FILE_BYTES (64u << 20)
#define STEP	   512

int
main(int argc, char **argv)
{
	static uint8_t block[1 << 20];
	static struct bench_histogram h;
	double seconds = argc > 2 ? strtod(argv[2], NULL) : 3;
	char *path = xasprintf("%s/bench_sync.tmp", argc > 1 ? argv[1] : ".");
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	uint64_t end, now, off = 0;

	if (fd == -1)
		fatal("cannot make %s: %s", path, strerror(errno));
	(void)unlink(path);
	for (size_t i = 0; i < FILE_BYTES; i += sizeof block)
		if (pwrite(fd, block, sizeof block, (off_t)i) != sizeof block)
			fatal("cannot fill %s: %s", path, strerror(errno));
	if (fdatasync(fd) == -1)
		fatal("fdatasync: %s", strerror(errno));
	memset(block, 'x', STEP);
	now = clock_mono_ns();
	end = now + (uint64_t)(seconds * 1e9);
	while (now < end) {
		uint64_t began = now;

		if (pwrite(fd, block, STEP, (off_t)off) != STEP || fdatasync(fd) == -1)
			fatal("cannot write: %s", strerror(errno));
		now = clock_mono_ns();
		bench_histogram_add(&h, now - began);
		off = (off + STEP) % FILE_BYTES;
	}
	(void)printf("syncs %llu ", (unsigned long long)h.n);
	bench_histogram_print(&h);
	free(path);
	return 0;
}
