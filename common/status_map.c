/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	status_map - what an HTTP status means for the events that were sent
 *
 * PROCESS
 *	Those that load a configuration; routes.
 *
 * SHARED STATE
 *	None.
 */
#include "common/status_map.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const char *const words[] = {
    [STATUS_OK] = "ok",
    [STATUS_RETRY] = "retry",
    [STATUS_DROP] = "drop",
    [STATUS_DEAD_LETTER] = "dead-letter",
};
#define ACTIONS (sizeof words / sizeof words[0])

void
status_map_init(struct status_map *map)
{
	memset(map, 0, sizeof *map);
	map->of_class[2 - 1] = 1 + STATUS_OK;
	map->of_class[4 - 1] = 1 + STATUS_DEAD_LETTER;
	map->of_class[5 - 1] = 1 + STATUS_RETRY;
	map->code[408 - 100] = 1 + STATUS_RETRY;
	map->code[429 - 100] = 1 + STATUS_RETRY;
	map->code[410 - 100] = 1 + STATUS_DROP;
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Three characters: 404 or 4xx. */
static bool
is_code(const char *p)
{
	return p[0] >= '1' && p[0] <= '5' &&
	       ((is_digit(p[1]) && is_digit(p[2])) || (p[1] == 'x' && p[2] == 'x'));
}

/* False: a line before has said something else of it. */
static bool
put(struct status_map *map, const char *p, enum status_action action)
{
	bool is_class = p[1] == 'x';
	int at = is_class ? p[0] - '1' : (p[0] - '1') * 100 + (p[1] - '0') * 10 + (p[2] - '0');
	uint8_t *value = is_class ? &map->of_class[at] : &map->code[at];
	uint8_t *written = is_class ? &map->is_class_written[at] : &map->is_code_written[at];

	if (*written != 0 && *value != 1 + action)
		return false;
	*value = (uint8_t)(1 + action);
	*written = 1;
	return true;
}

int
status_map_add(struct status_map *map, const char *line, char *why, size_t size)
{
	struct status_map next = *map;
	size_t len = strcspn(line, " "), action;
	const char *word = line + len + strspn(line + len, " "), *p = line;

	for (action = 0; action < ACTIONS; action++)
		if (strcmp(word, words[action]) == 0)
			break;
	if (action == ACTIONS) {
		(void)snprintf(why, size,
		    "behind the codes follows one of ok, retry, drop, dead-letter (try 408,429,5xx "
		    "retry; no blank behind a comma)");
		return -1;
	}
	for (;;) {
		if (line + len - p < 3 || !is_code(p)) {
			(void)snprintf(why, size,
			    "\"%.*s\" is not a list of codes: write such as 408,429,5xx (100 to "
			    "599)",
			    (int)(len < 64 ? len : 64), line);
			return -1;
		}
		if (!put(&next, p, (enum status_action)action)) {
			(void)snprintf(why, size, "a line before says something else of %.3s", p);
			return -1;
		}
		p += 3;
		if (p == line + len)
			break;
		if (*p != ',') {
			(void)snprintf(why, size, "codes are parted by commas: 408,429,5xx");
			return -1;
		}
		p++;
	}
	*map = next;
	return 0;
}

enum status_action
status_map_action(const struct status_map *map, int code)
{
	uint8_t said;

	if (code < 100 || code > 599)
		return STATUS_RETRY;
	if ((said = map->code[code - 100]) == 0)
		said = map->of_class[code / 100 - 1];
	return said == 0 ? STATUS_RETRY : (enum status_action)(said - 1);
}

const char *
status_map_word(enum status_action action)
{
	return words[action];
}
