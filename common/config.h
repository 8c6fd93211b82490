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
enum config_ack { CONFIG_ACK_MEMORY = 0, CONFIG_ACK_DURABLE = 1 };
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

struct config {
	struct config_global global;
	int listens;
	struct config_listen listen[CONFIG_LISTEN_MAX];
	struct config_journal journal;
	struct config_dedup dedup;
	struct config_admin admin;

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

/* The KEYS section of sluice.conf(5) in mdoc, made from the table. */
void config_doc_mdoc(FILE *to);

#endif
