/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	worker_error - errors counted in the page, said once a minute
 *
 * PROCESS
 *	Every stage.
 *
 * SHARED STATE
 *	Its own page's errors.
 */
#include "workers/worker_parts.h"

#include "common/log.h"
#include "shm/page.h"
#include "shm/word.h"

#include <stdarg.h>
#include <stdio.h>

#define REPEAT_NS (60 * CLOCK_NS_PER_S)

/* What of each error the log knows. */
static struct {
	uint64_t said_ns;
	uint64_t said_count;
} said[LAYOUT_ERRORS];

void
worker_error(struct worker *w, const char *fmt, ...)
{
	char text[sizeof w->page->error[0].text];
	bool is_new;
	va_list ap;
	int i;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	i = page_error(w->page, text, clock_wall_ns(), &is_new);
	/* said_ns 0: a predecessor's error comes again, new to this process. */
	if (is_new || said[i].said_ns == 0) {
		log_line(LOG_LEVEL_ERR, "%s", text);
		said[i].said_ns = clock_mono_ns();
		said[i].said_count = word_load(&w->page->error[i].count);
	}
}

void
worker_error_tick(struct worker *w)
{
	for (int i = 0; i < LAYOUT_ERRORS; i++) {
		const struct layout_error *e = &w->page->error[i];
		uint64_t count = word_load(&e->count);

		if (said[i].said_ns == 0 || count == said[i].said_count ||
		    w->now_ns - said[i].said_ns < REPEAT_NS)
			continue;
		log_line(LOG_LEVEL_ERR, "%.150s: repeated=%llu", e->text,
		    (unsigned long long)(count - said[i].said_count));
		said[i].said_ns = w->now_ns;
		said[i].said_count = count;
	}
}
