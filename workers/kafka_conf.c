/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	kafka_conf - what librdkafka is told, made from a sink's section
 *
 * PROCESS
 *	Kafka sinks.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/kafka_conf.h"

#include "common/bytes.h"
#include "common/kafka_option.h"

#include <bsd/string.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SECRET_SIZE (64 * 1024)

static int
set(rd_kafka_conf_t *conf, const char *name, const char *value, char *why, size_t size)
{
	char text[256];

	if (rd_kafka_conf_set(conf, name, value, text, sizeof text) == RD_KAFKA_CONF_OK)
		return 0;
	snprintf(why, size,
	    "option %s: %s: correct it or take it out (CONFIGURATION.md of librdkafka %s lists "
	    "them)",
	    name, text, rd_kafka_version_str());
	return -1;
}

static int
set_number(rd_kafka_conf_t *conf, const char *name, int64_t value, char *why, size_t size)
{
	char text[24];

	snprintf(text, sizeof text, "%lld", (long long)value);
	return set(conf, name, text, why, size);
}

/* A small file as text, without the newline at its end. */
static int
read_secret(const char *path, char *buf, size_t size, char *why, size_t why_size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = -1;

	if (fd != -1) {
		n = read(fd, buf, size - 1);
		if (n == (ssize_t)size - 1) {
			n = -1;
			errno = EFBIG;
		}
		close(fd);
	}
	if (n == -1) {
		snprintf(why, why_size, "%s cannot be read: %s", path, strerror(errno));
		return -1;
	}
	while (n > 0 && (buf[n - 1] == '\n' || buf[n - 1] == '\r'))
		n--;
	buf[n] = '\0';
	return 0;
}

static int
set_from_file(rd_kafka_conf_t *conf, const char *name, const char *path, char *why, size_t size)
{
	char text[SECRET_SIZE];
	int r = read_secret(path, text, sizeof text, why, size);

	if (r == 0)
		r = set(conf, name, text, why, size);
	explicit_bzero(text, sizeof text);
	return r;
}

static int
set_option(rd_kafka_conf_t *conf, const char *line, char *why, size_t size)
{
	size_t len = strcspn(line, " \t");
	const char *value = line + len + strspn(line + len, " \t");
	const char *instead, *text;
	char name[128];

	if (len == 0 || len >= sizeof name || *value == '\0') {
		snprintf(why, size, "option \"%s\": write `option NAME VALUE`", line);
		return -1;
	}
	memcpy(name, line, len);
	name[len] = '\0';
	if ((instead = kafka_option_refused(name, len)) != NULL) {
		snprintf(why, size, "option %s: %s; take the line out", name, instead);
		return -1;
	}
	/* "probe" is a word of librdkafka, not a file. */
	if (*value == '/' && (text = kafka_option_text_of(name, len)) != NULL)
		return set_from_file(conf, text, value, why, size);
	return set(conf, name, value, why, size);
}

/* Who and where: for producer and consumer alike. */
static int
set_server(rd_kafka_conf_t *conf, const struct config_sink *cfg, char *why, size_t size)
{
	char servers[CONFIG_LIST_MAX * CONFIG_LIST_TEXT] = "";
	bool is_tls = cfg->ca_file[0] != '\0';

	for (int i = 0; i < cfg->server.n; i++) {
		if (i > 0)
			strlcat(servers, ",", sizeof servers);
		strlcat(servers, cfg->server.at[i], sizeof servers);
	}
	if (set(conf, "bootstrap.servers", servers, why, size) == -1 ||
	    set(conf, "client.id", "sluice", why, size) == -1 ||
	    set_number(conf, "reconnect.backoff.ms", cfg->retry_min_ms, why, size) == -1 ||
	    set_number(conf, "reconnect.backoff.max.ms", cfg->retry_max_ms, why, size) == -1 ||
	    set_number(conf, "socket.connection.setup.timeout.ms",
		cfg->connect_timeout_ms < 1000 ? 1000 : cfg->connect_timeout_ms, why, size) == -1)
		return -1;
	if (is_tls && set_from_file(conf, "ssl.ca.pem", cfg->ca_file, why, size) == -1)
		return -1;
	if (cfg->user[0] != '\0') {
		if (set(conf, "security.protocol", is_tls ? "sasl_ssl" : "sasl_plaintext", why,
			size) == -1 ||
		    set(conf, "sasl.mechanism", "PLAIN", why, size) == -1 ||
		    set(conf, "sasl.username", cfg->user, why, size) == -1 ||
		    set_from_file(conf, "sasl.password", cfg->password_file, why, size) == -1)
			return -1;
	} else if (is_tls && set(conf, "security.protocol", "ssl", why, size) == -1)
		return -1;
	return 0;
}

static const char *
codec(enum config_compression c)
{
	switch (c) {
	case CONFIG_COMPRESSION_NONE:
		return "none";
	case CONFIG_COMPRESSION_GZIP:
		return "gzip";
	case CONFIG_COMPRESSION_LZ4:
		return "lz4";
	default:
		return "zstd";
	}
}

static int
set_producer(rd_kafka_conf_t *conf, const struct config_sink *cfg, char *why, size_t size)
{
	int64_t batch = cfg->batch_events < 1000000 ? cfg->batch_events : 1000000;
	int64_t bytes = cfg->batch_bytes < 2147483647 ? (int64_t)cfg->batch_bytes : 2147483647;
	int64_t linger = cfg->linger_ms < 900000 ? cfg->linger_ms : 900000;
	int64_t request = cfg->timeout_ms < 1 ? 1 : cfg->timeout_ms;

	if (request > 900000)
		request = 900000;
	if (set(conf, "compression.codec", codec(cfg->compression), why, size) == -1 ||
	    set_number(conf, "batch.num.messages", batch < 1 ? 1 : batch, why, size) == -1 ||
	    set_number(conf, "batch.size", bytes < 1 ? 1 : bytes, why, size) == -1 ||
	    set_number(conf, "linger.ms", linger, why, size) == -1 ||
	    set_number(conf, "request.timeout.ms", request, why, size) == -1 ||
	    /* The socket's must be longer than the request's. */
	    set_number(conf, "socket.timeout.ms", request > 290000 ? 300000 : request + 10000, why,
		size) == -1 ||
	    /* As Java's clients: a key is in the same partition whoever writes. */
	    set(conf, "partitioner", "murmur2_random", why, size) == -1 ||
	    set(conf, "queue.buffering.max.kbytes", "262144", why, size) == -1 ||
	    /* So long a topic may be unknown before that is an error. */
	    set(conf, "topic.metadata.propagation.max.ms", "5000", why, size) == -1 ||
	    set(conf, "statistics.interval.ms", "10000", why, size) == -1)
		return -1;
	return 0;
}

/* Last, so that no option undoes it. */
static int
set_promises(rd_kafka_conf_t *conf, const struct config_sink *cfg, const char *transactional_id,
    char *why, size_t size)
{
	if (set(conf, "enable.idempotence", "true", why, size) == -1 ||
	    set(conf, "acks", "all", why, size) == -1 ||
	    set(conf, "message.timeout.ms", "0", why, size) == -1 ||
	    set(conf, "log.queue", "true", why, size) == -1 ||
	    set_number(conf, "queue.buffering.max.messages",
		(int64_t)cfg->in_flight + KAFKA_CONF_SPARE, why, size) == -1)
		return -1;
	if (transactional_id[0] != '\0' &&
	    set(conf, "transactional.id", transactional_id, why, size) == -1)
		return -1;
	rd_kafka_conf_set_events(conf,
	    RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_LOG | RD_KAFKA_EVENT_STATS);
	return 0;
}

rd_kafka_conf_t *
kafka_conf_producer(
    const struct config_sink *cfg, const char *transactional_id, char *why, size_t size)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();

	if (set_server(conf, cfg, why, size) == -1 || set_producer(conf, cfg, why, size) == -1)
		goto bad;
	for (int i = 0; i < cfg->option.n; i++) {
		if (set_option(conf, cfg->option.at[i], why, size) == -1)
			goto bad;
	}
	if (set_promises(conf, cfg, transactional_id, why, size) == -1)
		goto bad;
	return conf;
bad:
	rd_kafka_conf_destroy(conf);
	return NULL;
}

rd_kafka_conf_t *
kafka_conf_consumer(const struct config_sink *cfg, char *why, size_t size)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();

	if (set_server(conf, cfg, why, size) == -1)
		goto bad;
	for (int i = 0; i < cfg->option.n; i++) {
		if (set_option(conf, cfg->option.at[i], why, size) == -1)
			goto bad;
	}
	if (set(conf, "isolation.level", "read_committed", why, size) == -1 ||
	    set(conf, "enable.partition.eof", "true", why, size) == -1 ||
	    /* The end of the topic is what we wait for. */
	    set(conf, "fetch.wait.max.ms", "10", why, size) == -1 ||
	    set(conf, "log.queue", "true", why, size) == -1)
		goto bad;
	return conf;
bad:
	rd_kafka_conf_destroy(conf);
	return NULL;
}
