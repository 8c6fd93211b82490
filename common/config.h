/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	config - the configuration, as one object that never changes
 *
 * DESCRIPTION
 *	config_load() reads a file and everything it includes and makes one
 *	struct config, or a list of every mistake it found.  The object is plain
 *	bytes: no pointers, padding zero, so that two of them (or two listeners)
 *	compare with memcmp() and one free() ends it.  Make it, hand it out as
 *	`const struct config *`, and let fork() share it; a reload makes another.
 *
 *	Every key is one row of config_keys.def.  Field names are the keys with
 *	'_' for '-' and the unit at the end.  The grammar is in sluice.conf(5).
 *
 * PROCESS
 *	Loaded by the supervisor; read by all.
 *
 * SHARED STATE
 *	None.
 */
#ifndef COMMON_CONFIG_H
#define COMMON_CONFIG_H

#include "common/log.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/types.h>

#define CONFIG_LISTEN_MAX     16  /* listen sections */
#define CONFIG_BIND_MAX       8   /* bind lines in one section */
#define CONFIG_SINK_MAX       31  /* sink sections: one place is left for a sink that goes */
#define CONFIG_LIST_MAX       32  /* lines of a key that may be repeated */
#define CONFIG_LIST_TEXT      256
#define CONFIG_STREAM_MAX     254 /* stream slots; the dedup table has 8 bits for an owner */
#define CONFIG_NAME_SIZE      33  /* [a-z0-9-]{1,32} and a NUL */
#define CONFIG_PATH_SIZE      256
#define CONFIG_BIND_TEXT_SIZE 128
/* What a frame may need beside the event's own bytes: header, attributes, alignment. */
#define CONFIG_FRAME_EXTRA_BYTES 4096

/* What `path` and errors say about a file, and how far include may go. */
#define CONFIG_FILE_MAX_BYTES    (1024 * 1024)
#define CONFIG_LINE_MAX_BYTES    (64 * 1024)
#define CONFIG_INCLUDE_DEPTH_MAX 8
#define CONFIG_INCLUDE_FILES_MAX 256

enum config_result {
	CONFIG_OK = 0,
	CONFIG_INVALID /* the list of errors says why */
};

/* In order of strength: a stronger promise compares greater. */
enum config_ack { CONFIG_ACK_MEMORY = 0, CONFIG_ACK_DURABLE = 1, CONFIG_ACK_DELIVERED = 2 };
enum config_kind { CONFIG_KIND_HTTP = 0 };
/* What is stored beside an event's own bytes. */
enum config_attributes {
	CONFIG_ATTRIBUTES_NONE = 0,
	CONFIG_ATTRIBUTES_REQUEST = 1, /* request id, traceparent */
	CONFIG_ATTRIBUTES_ALL = 2      /* and the client's address and user agent */
};
enum config_dedup_key {
	CONFIG_DEDUP_KEY_AUTO = 0, /* the event's id when present, else the tuple */
	CONFIG_DEDUP_KEY_ID = 1,
	CONFIG_DEDUP_KEY_TUPLE = 2 /* userId, eventType, timestamp */
};

enum config_sink_kind {
	CONFIG_SINK_REDIS = 0,	  /* claims for all nodes, and the event cache */
	CONFIG_SINK_REDIS_STREAM, /* XADD */
	CONFIG_SINK_CLICKHOUSE,
	CONFIG_SINK_KAFKA,
	CONFIG_SINK_ROUTE,
	CONFIG_SINK_KINDS
};
enum config_from { CONFIG_FROM_NOW = 0, CONFIG_FROM_OLDEST = 1 };
enum config_compression {
	CONFIG_COMPRESSION_AUTO = 0, /* the best that the destination can */
	CONFIG_COMPRESSION_NONE,
	CONFIG_COMPRESSION_GZIP,
	CONFIG_COMPRESSION_LZ4,
	CONFIG_COMPRESSION_ZSTD
};
enum config_partition { /* of the event's timestamp, in UTC */
	CONFIG_PARTITION_NONE = 0,
	CONFIG_PARTITION_HOUR,
	CONFIG_PARTITION_DAY,
	CONFIG_PARTITION_MONTH
};
enum config_format { CONFIG_FORMAT_EVENT = 0, CONFIG_FORMAT_ARRAY, CONFIG_FORMAT_NDJSON };

struct config_list {
	int n;
	char at[CONFIG_LIST_MAX][CONFIG_LIST_TEXT];
};

struct config_bind {
	char text[CONFIG_BIND_TEXT_SIZE]; /* canonical: "127.0.0.1:1", "[::1]:1", "unix:/path" */
	int family;                       /* AF_INET, AF_INET6 (meant as v6 only) or AF_UNIX */
	socklen_t address_len;
	struct sockaddr_storage address;
};

struct config_binds {
	int n;
	struct config_bind at[CONFIG_BIND_MAX];
};

struct config_global {
	char user[CONFIG_NAME_SIZE];  /* "" = stay who we are */
	char group[CONFIG_NAME_SIZE]; /* "" = the user's own group */
	char state_dir[CONFIG_PATH_SIZE];
	char runtime_dir[CONFIG_PATH_SIZE];
	int stream_slots; /* in effect: never 0 in a loaded configuration */
	uint64_t ring_bytes;
	int64_t drain_time_ms;
	int64_t hang_time_ms;
	enum log_level log_level;
};

struct config_listen {
	char name[CONFIG_NAME_SIZE];
	enum config_kind kind;
	struct config_binds bind;
	mode_t bind_mode; /* of unix sockets */
	int backlog;
	int processes;
	enum config_ack ack; /* min_ack <= ack <= max_ack */
	enum config_ack min_ack;
	enum config_ack max_ack;
	int64_t durable_timeout_ms;
	int64_t delivered_timeout_ms;
	int max_connections; /* of one process */
	uint64_t max_line_bytes;
	uint64_t max_header_bytes; /* all header fields of a request */
	int max_headers;
	uint64_t max_body_bytes;
	uint64_t max_event_bytes;
	int max_depth;
	int max_batch;
	int max_pipeline;
	enum config_attributes attributes;
	uint64_t max_buffered_bytes; /* request bytes held by one process */
	int64_t header_timeout_ms;
	int64_t body_timeout_ms;
	int64_t idle_timeout_ms;
	int64_t write_timeout_ms;
};

struct config_journal {
	char path[CONFIG_PATH_SIZE]; /* in effect: never "" in a loaded configuration */
	uint64_t segment_bytes;
	int64_t retain_ms;
	int64_t commit_linger_ms;
	uint64_t commit_max_bytes;
	uint64_t max_disk_bytes; /* 0 = no cap */
};

struct config_dedup {
	int64_t window_ms;
	uint64_t table_bytes;
	enum config_dedup_key key;
};

struct config_admin {
	struct config_binds bind;
	mode_t socket_mode;
	char socket_group[CONFIG_NAME_SIZE]; /* "" = the group we run as */
};

/* Fields of all kinds; those that a kind does not have are at their defaults
 * and cannot be written in its section. */
struct config_sink {
	char name[CONFIG_NAME_SIZE];
	enum config_sink_kind kind;

	/* What it gets. */
	struct config_list event_type; /* globs on eventType; none: all */
	struct config_list where;      /* "/metadata/status >= 500"; all must hold */
	int required;		       /* 1: ack delivered waits for it */
	enum config_from from;	       /* where a new sink begins */
	uint64_t max_lag_bytes;	       /* 0: no bound */
	int64_t max_lag_ms;	       /* 0: no bound */

	/* How it is batched and retried. */
	int batch_events;
	uint64_t batch_bytes;
	int64_t linger_ms;
	int in_flight; /* events taken and not finished: what a crash may send twice */
	int64_t timeout_ms; /* of one request */
	int64_t connect_timeout_ms;
	int64_t retry_min_ms; /* back-off doubles from here */
	int64_t retry_max_ms;
	int attempts; /* of one event before it is dead-lettered; 0: for ever */
	int breaker_failures;	 /* in a row, and the breaker opens */
	int64_t breaker_open_ms; /* then one probe */

	/* Where it is and who we are there. */
	/* redis: host:port or unix:/path; kafka: host:port; clickhouse, route: a URL */
	struct config_list server;
	char user[64];
	char password_file[CONFIG_PATH_SIZE];
	char ca_file[CONFIG_PATH_SIZE];
	enum config_compression compression;

	/* redis, redis-stream */
	int database;
	char prefix[64]; /* of claim keys */
	int64_t verdict_timeout_ms;
	int cache;	     /* 1: keep the events' JSON too */
	char cache_prefix[64];
	int64_t cache_ttl_ms;
	char stream[CONFIG_LIST_TEXT]; /* template of the key of XADD */
	int64_t max_length;	       /* MAXLEN ~; 0: none */

	/* clickhouse */
	char ch_database[64];
	char ch_table[64];
	struct config_list column; /* "path String from /metadata/path" */
	enum config_partition partition;
	int create; /* 1: make the table when it is not there */
	struct config_list setting; /* "name value", sent with each insert */

	/* kafka */
	char topic[CONFIG_LIST_TEXT]; /* template */
	char key[CONFIG_LIST_TEXT];   /* JSON pointer; "": none */
	int headers;		      /* 1: receipt, eventType, content type */
	int exactly_once;
	struct config_list option; /* "name value" for librdkafka */

	/* route */
	enum config_format format;
	char secret_file[CONFIG_PATH_SIZE]; /* signs requests */
	struct config_list header;	    /* "Name: value" */
	struct config_list status;	    /* "408,429,5xx retry" */
	int concurrency;		    /* requests at a time to one host */
};

struct config_deadletter {
	int invalid; /* 1: keep events that were refused at intake too */
	int64_t retain_ms;
	uint64_t max_disk_bytes;
	/* Copies, each in its own time: a failed copy holds nothing up. */
	char copy_redis[CONFIG_BIND_TEXT_SIZE]; /* host:port or unix:/path; "": none */
	char copy_redis_list[64];
	int64_t copy_redis_max; /* LTRIM */
	char copy_redis_password_file[CONFIG_PATH_SIZE];
	char copy_kafka[CONFIG_LIST_TEXT]; /* brokers; "": none */
	char copy_kafka_topic[128];
};

struct config {
	struct config_global global;
	int listens;
	struct config_listen listen[CONFIG_LISTEN_MAX];
	struct config_journal journal;
	struct config_dedup dedup;
	struct config_admin admin;
	int sinks;
	struct config_sink sink[CONFIG_SINK_MAX];
	struct config_deadletter deadletter;

	/* Worked out from the keys above. */
	int processes;    /* of all listeners together: streams taken at start */
	int stream_slots; /* = global.stream_slots */
};

/* Every mistake found, as text without a newline: `FILE:LINE: key: what to do`.
 * Start with all zero; config_errors_free() makes it so again. */
struct config_errors {
	char **text;
	int n;
	int unlisted; /* more were found than are worth reading */
};

/*
 * Reads `path` and what it includes.  On CONFIG_OK `*out` is the caller's to
 * config_free(); otherwise it is NULL and `errs` has at least one line.  Does
 * not touch the system beyond reading files and the environment: whether the
 * user exists or a port is free is for the caller.
 */
enum config_result config_load(const char *path, struct config **out, struct config_errors *errs)
    __attribute__((warn_unused_result));
/* The same from memory, for tests: `name` stands for the file in errors and include is refused. */
enum config_result config_parse_memory(const char *name, const char *text, size_t len,
    struct config **out, struct config_errors *errs) __attribute__((warn_unused_result));
/* NULL is allowed. */
void config_free(struct config *cfg);

/* A complete configuration file with each value in effect, then the arithmetic
 * of memory and disk as comments.  Loading the output prints the same again. */
void config_print(const struct config *cfg, FILE *to);

/* One line for each error. */
void config_errors_print(const struct config_errors *errs, FILE *to);
void config_errors_free(struct config_errors *errs);

/* The word of the configuration for a level: "memory", "durable". */
const char *config_ack_word(enum config_ack ack);
/* "redis", "redis-stream", "clickhouse", "kafka", "route". */
const char *config_sink_kind_word(enum config_sink_kind kind);
/* The sink that claims in Redis, or -1. */
int config_claim_sink(const struct config *cfg);

/* The KEYS section of sluice.conf(5) in mdoc, made from the table. */
void config_doc_mdoc(FILE *to);

#endif
