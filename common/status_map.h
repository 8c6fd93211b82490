/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	status_map - what an HTTP status means for the events that were sent
 *
 * DESCRIPTION
 *	Lines of the configuration: "408,429,5xx retry", "410 drop".  What a line
 *	says of one code counts more than what a line says of its class; what
 *	no line says is: 2xx ok; 408, 429, 5xx retry; 410 drop; 4xx dead-letter;
 *	all others retry.  A line counts more than these only for the same code
 *	or the same class: after "4xx drop", 429 is still retried.
 *
 * PROCESS
 *	Those that load a configuration; routes.
 *
 * SHARED STATE
 *	None.
 */
#ifndef COMMON_STATUS_MAP_H
#define COMMON_STATUS_MAP_H

#include <stddef.h>
#include <stdint.h>

enum status_action { STATUS_OK = 0, STATUS_RETRY, STATUS_DROP, STATUS_DEAD_LETTER };

struct status_map {
	/* 1 + action; 0: nothing is said. */
	uint8_t code[500]; /* 100 to 599 */
	uint8_t of_class[5];
	/* The same from lines, to find two that contradict each other. */
	uint8_t is_code_written[500];
	uint8_t is_class_written[5];
};

/* With what counts when no line says otherwise. */
void status_map_init(struct status_map *map);
/* 0, or -1 with a sentence in why: the map is as it was then. */
int status_map_add(struct status_map *map, const char *line, char *why, size_t size)
    __attribute__((warn_unused_result));
/* For any number; outside 100 to 599 it is STATUS_RETRY. */
enum status_action status_map_action(const struct status_map *map, int code);
/* "ok", "retry", "drop", "dead-letter" */
const char *status_map_word(enum status_action action);

#endif
