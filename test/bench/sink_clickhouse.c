/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	sink_clickhouse - a bare libcurl loop, to compare the ClickHouse sink with
 *
 * DESCRIPTION
 *	sink_clickhouse URL TABLE FILE CODEC BATCH
 *
 *	Makes rows of the lines of FILE beforehand and inserts them BATCH at a time
 *	over one connection, one insert after the other; packing is part of what is
 *	measured.  Prints events, seconds, processor time an event in microseconds,
 *	and what making a row took, in microseconds.
 *
 * PROCESS
 *	Benchmarks only.
 *
 * SHARED STATE
 *	None.
 */
#include "common/clock.h"
#include "common/event.h"
#include "common/panic.h"
#include "common/rowbinary.h"
#include "workers/clickhouse_pack.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define EVENT_MAX (256u * 1024)

struct rows {
	uint8_t *bytes;
	size_t len, n;
	size_t *end; /* of each row */
};

static double
cpu_us(void)
{
	struct rusage r;

	(void)getrusage(RUSAGE_SELF, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1e6 +
	       (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}

static char *
read_all(const char *path, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *all;
	size_t off = 0;

	if (fd == -1 || fstat(fd, &st) == -1)
		fatal("%s cannot be read", path);
	all = xcalloc(1, (size_t)st.st_size + 64);
	while (off < (size_t)st.st_size) {
		ssize_t n = read(fd, all + off, (size_t)st.st_size - off);

		if (n <= 0)
			fatal("%s cannot be read", path);
		off += (size_t)n;
	}
	(void)close(fd);
	*len = off;
	return all;
}

static struct bytes
slice(const struct event *e, struct event_place p)
{
	return p.len == 0 ? bytes_of(NULL, 0) : event_slice(e, p);
}

/* All rows; *us is what they took without the reading of the JSON. */
static void
make_rows(struct rows *r, const char *all, size_t len, double *us)
{
	const struct event_limits limits = {.body_max = EVENT_MAX, .depth_max = 32};
	struct event_reader *reader = event_reader_new(&limits);
	struct rowbinary *rb = rowbinary_new();
	const char *at = all, *end = all + len;
	struct rowbinary_event *list;
	size_t most = 0;
	uint64_t start;

	rowbinary_add_default(rb);
	for (const char *p = all; p < end; p++)
		most += *p == '\n';
	list = xcalloc(most + 1, sizeof *list);
	r->end = xcalloc(most + 1, sizeof *r->end);
	r->bytes = xcalloc(1, len + 64 * most + 64);
	for (; at < end && r->n < most; r->n++) {
		const char *nl = memchr(at, '\n', (size_t)(end - at));
		struct event e;

		if (nl == NULL ||
		    event_read(reader, bytes_of(at, (size_t)(nl - at)), &e, NULL) != EVENT_OK)
			fatal("line %zu is no event", r->n + 1);
		list[r->n] = (struct rowbinary_event){.body = e.body,
		    .user_id = slice(&e, e.user_id),
		    .event_type = slice(&e, e.event_type),
		    .timestamp = slice(&e, e.timestamp),
		    .metadata = slice(&e, e.metadata),
		    .event_ms = e.timestamp_ms,
		    .instance = ""};
		at = nl + 1;
	}
	start = clock_mono_ns();
	for (size_t i = 0; i < r->n; i++) {
		size_t n;

		if (rowbinary_row(rb, &list[i], r->bytes + r->len, len + 64 * most - r->len, &n,
			NULL) != ROWBINARY_OK)
			fatal("row %zu", i);
		r->len += n;
		r->end[i] = r->len;
	}
	*us = (double)(clock_mono_ns() - start) / 1e3 / (double)r->n;
	free(list);
}

static size_t
drop(char *at, size_t size, size_t n, void *arg)
{
	(void)fwrite(at, size, n, stderr);
	(void)arg;
	return size * n;
}

static void
insert_all(CURL *c, const struct rows *r, size_t batch, enum config_compression how)
{
	struct clickhouse_pack *pack = clickhouse_pack_new();
	size_t from = 0;

	for (size_t i = 0; i < r->n; i += batch) {
		size_t to = r->end[(i + batch < r->n ? i + batch : r->n) - 1];
		struct bytes body = bytes_of(r->bytes + from, to - from);
		long status = 0;

		if (how != CONFIG_COMPRESSION_NONE)
			body = clickhouse_pack(pack, how, &body, 1);
		curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
		curl_easy_setopt(c, CURLOPT_POSTFIELDS, body.ptr);
		if (curl_easy_perform(c) != CURLE_OK ||
		    curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status) != CURLE_OK ||
		    status != 200)
			fatal("insert: status %ld", status);
		from = to;
	}
	clickhouse_pack_free(pack);
}

int
main(int argc, char **argv)
{
	struct rows rows = {0};
	enum config_compression how = CONFIG_COMPRESSION_NONE;
	struct curl_slist *headers;
	char url[1024];
	double us, cpu;
	uint64_t start;
	size_t len;
	char *all;
	CURL *c;

	if (argc != 6)
		fatal("usage: sink_clickhouse URL TABLE FILE CODEC BATCH");
	if (strcmp(argv[4], "lz4") == 0)
		how = CONFIG_COMPRESSION_LZ4;
	else if (strcmp(argv[4], "zstd") == 0)
		how = CONFIG_COMPRESSION_ZSTD;
	else if (strcmp(argv[4], "gzip") == 0)
		how = CONFIG_COMPRESSION_GZIP;
	all = read_all(argv[3], &len);
	make_rows(&rows, all, len, &us);
	(void)snprintf(url, sizeof url,
	    "%s/?query=INSERT%%20INTO%%20%s%%20(userId,eventType,timestamp,metadata)%%20FORMAT%%20"
	    "RowBinary%s",
	    argv[1], argv[2],
	    how == CONFIG_COMPRESSION_LZ4 || how == CONFIG_COMPRESSION_ZSTD
		? "&decompress=1&http_native_compression_disable_checksumming_on_decompress=1"
		: "");
	(void)curl_global_init(CURL_GLOBAL_DEFAULT);
	c = curl_easy_init();
	headers = curl_slist_append(NULL, "Expect:");
	if (how == CONFIG_COMPRESSION_GZIP)
		headers = curl_slist_append(headers, "Content-Encoding: gzip");
	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(c, CURLOPT_POST, 1L);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, drop);
	start = clock_mono_ns();
	cpu = cpu_us();
	insert_all(c, &rows, strtoul(argv[5], NULL, 10), how);
	(void)printf("%zu %.3f %.3f %.3f\n", rows.n, (double)(clock_mono_ns() - start) / 1e9,
	    (cpu_us() - cpu) / (double)rows.n, us);
	return 0;
}
