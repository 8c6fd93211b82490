/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	sink_kafka - a bare librdkafka loop, to compare the Kafka sink with
 *
 * DESCRIPTION
 *	sink_kafka SERVER TOPIC FILE CODEC HEADERS IN-FLIGHT BATCH LINGER-MS
 *
 *	Writes the lines of FILE with the settings the sink has, from memory, the
 *	key found beforehand; serves reports with rd_kafka_poll().  Prints events,
 *	seconds, and processor time an event in microseconds.
 *
 * PROCESS
 *	Benchmarks only.
 *
 * SHARED STATE
 *	None.
 */
#include "common/clock.h"
#include "common/panic.h"
#include "workers/kafka_conf.h"

#include <bsd/string.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

struct line {
	const char *at;
	uint32_t len;
	const char *key;
	uint32_t key_len;
};

static uint64_t reported, failed;

static void
on_report(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
	(void)rk;
	(void)opaque;
	reported++;
	failed += m->err != RD_KAFKA_RESP_ERR_NO_ERROR;
}

static struct line *
read_lines(const char *path, size_t *n)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	const char *all, *end;
	struct line *line;

	if (fd == -1 || fstat(fd, &st) == -1)
		fatal("%s cannot be read", path);
	all = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	if (all == MAP_FAILED)
		fatal("%s cannot be mapped", path);
	end = all + st.st_size;
	line = xcalloc((size_t)st.st_size / 64 + 1, sizeof *line);
	*n = 0;
	for (const char *at = all; at < end;) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		static const char name[] = "\"userId\":\"";
		const char *key;

		if (stop == NULL)
			stop = end;
		key = memmem(at, (size_t)(stop - at), name, sizeof name - 1);
		line[*n] = (struct line){.at = at, .len = (uint32_t)(stop - at)};
		if (key != NULL) {
			line[*n].key = key + sizeof name - 1;
			line[*n].key_len = (uint32_t)strcspn(line[*n].key, "\"");
		}
		++*n;
		at = stop + 1;
	}
	return line;
}

static int
produce(rd_kafka_t *rk, rd_kafka_topic_t *topic, const struct line *l, size_t number, bool headers)
{
	char receipt[48];
	rd_kafka_error_t *error;
	int n;

	if (!headers)
		return rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY,
		    (void *)(uintptr_t)l->at, l->len, l->key, l->key_len, NULL);
	n = snprintf(receipt, sizeof receipt, "01234567:0:%zu", number);
	error = rd_kafka_produceva(rk,
	    (rd_kafka_vu_t[]){
		{.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = topic},
		{.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = RD_KAFKA_PARTITION_UA},
		{.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
		{.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {(void *)(uintptr_t)l->at, l->len}},
		{.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {(void *)(uintptr_t)l->key, l->key_len}},
		{.vtype = RD_KAFKA_VTYPE_HEADER, .u.header = {"receipt", receipt, n}},
		{.vtype = RD_KAFKA_VTYPE_HEADER,
		    .u.header = {"content-type", "application/json", 16}},
		{.vtype = RD_KAFKA_VTYPE_HEADER, .u.header = {"eventType", "page_view", 9}},
	    },
	    8);
	if (error == NULL)
		return 0;
	n = rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR__QUEUE_FULL;
	rd_kafka_error_destroy(error);
	if (!n)
		fatal("produce");
	return -1;
}

static double
cpu_s(void)
{
	struct rusage u;

	(void)getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

int
main(int argc, char **argv)
{
	static struct config_sink cfg = {.timeout_ms = 30000,
	    .connect_timeout_ms = 5000,
	    .retry_min_ms = 200,
	    .retry_max_ms = 30000,
	    .batch_bytes = 1 << 20};
	char why[512];
	rd_kafka_conf_t *conf;
	rd_kafka_t *rk;
	rd_kafka_topic_t *topic;
	struct line *line;
	size_t lines;
	uint64_t start_ns;
	double start_s, wall_s, used_s;
	bool headers;

	if (argc != 9)
		fatal(
		    "usage: sink_kafka SERVER TOPIC FILE CODEC HEADERS IN-FLIGHT BATCH LINGER-MS");
	cfg.server.n = 1;
	strlcpy(cfg.server.at[0], argv[1], sizeof cfg.server.at[0]);
	cfg.compression = strcmp(argv[4], "none") == 0  ? CONFIG_COMPRESSION_NONE
			  : strcmp(argv[4], "lz4") == 0 ? CONFIG_COMPRESSION_LZ4
							: CONFIG_COMPRESSION_ZSTD;
	headers = strcmp(argv[5], "yes") == 0;
	cfg.in_flight = (int)strtol(argv[6], NULL, 10);
	cfg.batch_events = (int)strtol(argv[7], NULL, 10);
	cfg.linger_ms = strtol(argv[8], NULL, 10);
	line = read_lines(argv[3], &lines);
	conf = kafka_conf_producer(&cfg, "", why, sizeof why);
	if (conf == NULL)
		fatal("%s", why);
	rd_kafka_conf_set_events(conf, 0);
	rd_kafka_conf_set_dr_msg_cb(conf, on_report);
	(void)rd_kafka_conf_set(conf, "log.queue", "false", why, sizeof why);
	(void)rd_kafka_conf_set(conf, "log_level", "2", why, sizeof why);
	rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
	if (rk == NULL)
		fatal("%s", why);
	topic = rd_kafka_topic_new(rk, argv[2], NULL);
	start_ns = clock_mono_ns();
	start_s = cpu_s();
	for (size_t i = 0; i < lines; i++) {
		while (produce(rk, topic, &line[i], i, headers) == -1)
			(void)rd_kafka_poll(rk, 10);
		if (i % 64 == 0)
			(void)rd_kafka_poll(rk, 0);
	}
	while (reported < lines)
		(void)rd_kafka_poll(rk, 10);
	wall_s = (double)(clock_mono_ns() - start_ns) / 1e9;
	used_s = cpu_s() - start_s;
	if (failed > 0)
		fatal("%llu were not delivered", (unsigned long long)failed);
	printf("%zu %.3f %.3f\n", lines, wall_s, used_s * 1e6 / (double)lines);
	rd_kafka_topic_destroy(topic);
	rd_kafka_destroy(rk);
	return 0;
}
