/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	config_check_parts - what the files of config_check share
 *
 * PROCESS
 *	Those that load a configuration.
 *
 * SHARED STATE
 *	None.
 */
#ifndef COMMON_CONFIG_CHECK_PARTS_H
#define COMMON_CONFIG_CHECK_PARTS_H

#include "common/config_parse.h"

/* A key of a section that stands in the file (or could). */
struct config_check_subject {
	int instance;
	enum config_key_id id;
};

#define CONFIG_CHECK_ONE(section, field)                                                           \
	((struct config_check_subject){CONFIG_SECTION_##section, CONFIG_KEY_##section##_##field})
#define CONFIG_CHECK_LISTEN(at, field)                                                             \
	((struct config_check_subject){CONFIG_PARSE_LISTENS + (at), CONFIG_KEY_listen_##field})
#define CONFIG_CHECK_SINK(at, field)                                                               \
	((struct config_check_subject){CONFIG_PARSE_SINKS + (at), CONFIG_KEY_sink_##field})

bool config_check_is_written(const struct config_parser *p, struct config_check_subject s);
/* Not refused where it was read: its value, or the default, may be held against others. */
bool config_check_is_good(const struct config_parser *p, struct config_check_subject s);
/* Of two keys that do not go together, the one that somebody wrote. */
struct config_check_subject config_check_written_of(
    const struct config_parser *p, struct config_check_subject a, struct config_check_subject b);

/* At the line of the key, or where its section was opened. */
void config_check_complain(const struct config_parser *p, struct config_check_subject s,
    const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* At the line of a list's entry. */
void config_check_complain_line(const struct config_parser *p, struct config_check_subject s,
    int at, const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* The sections sink and deadletter; puts in what is a default by kind. */
void config_check_sinks(struct config_parser *p);
/* The lists and texts of one sink whose kind is known. */
void config_check_sink_texts(struct config_parser *p, int at);
/* "host:port", "[::1]:port" and, if allowed, "unix:/path": NULL, or what is wrong with it. */
const char *config_check_server(const char *text, bool may_be_unix);

#endif
