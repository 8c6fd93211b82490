/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	admin - the stage that shows all others: stats socket, metrics, health
 *
 * PROCESS
 *	admin.
 *
 * SHARED STATE
 *	Writes its own process page only.
 */
#include "workers/admin.h"

#include "common/clock.h"
#include "common/http_route.h"
#include "common/panic.h"
#include "workers/admin_deadletter.h"
#include "workers/http_server.h"
#include "workers/lines.h"
#include "workers/stats.h"

#include <errno.h>
#include <string.h>

#define BODY_MAX_BYTES (16u << 20)

struct admin {
	struct worker *worker;
	struct stats stats;
	struct lines *lines;
	struct http_server *server;
	struct admin_deadletter *deadletter;
};

enum route { ROUTE_METRICS, ROUTE_HEALTH, ROUTE_LIVE, ROUTE_READY, ROUTE_LIST,
	ROUTE_DEADLETTER, ROUTE_RETRY };

static const struct http_route routes[] = {
    {HTTP_METHOD_GET, "/metrics", ROUTE_METRICS},
    {HTTP_METHOD_GET, "/health", ROUTE_HEALTH},
    {HTTP_METHOD_GET, "/livez", ROUTE_LIVE},
    {HTTP_METHOD_GET, "/readyz", ROUTE_READY},
    {HTTP_METHOD_GET, "/deadletter", ROUTE_DEADLETTER},
    {HTTP_METHOD_POST, "/deadletter/retry", ROUTE_RETRY},
    {HTTP_METHOD_GET, "/", ROUTE_LIST},
};

#define ROUTES (sizeof routes / sizeof routes[0])

static void
send_text(struct http_conn *conn, unsigned status, const char *type, const struct text_out *t)
{
	struct http_answer answer = {.status = (uint16_t)status};
	struct bytes body = bytes_of(t->buf, t->len);

	if (type != NULL)
		answer.content_type = bytes_str(type);
	if (status == 503)
		answer.retry_after_s = 1;
	http_answer(conn, &answer, &body, 1);
}

static void
get_metrics(struct admin *a, struct http_conn *conn)
{
	struct text_out t;

	text_init(&t, BODY_MAX_BYTES);
	stats_metrics(&a->stats, &t);
	send_text(conn, 200, "text/plain; version=0.0.4; charset=utf-8", &t);
	text_free(&t);
}

static void
get_health(struct admin *a, struct http_conn *conn)
{
	uint64_t started = stats_started_ns(&a->stats), now = a->stats.wall_ns;
	char at[STATS_TIME_SIZE];
	struct text_out t, reasons;

	text_init(&t, BODY_MAX_BYTES);
	text_add(&t,
	    "{\"status\":\"%s\",\"timestamp\":\"%s\",\"uptime\":%llu,\"service\":\"sluice\","
	    "\"version\":\"%s\"",
	    stats_health(&a->stats), stats_time(now, at),
	    (unsigned long long)(now > started ? (now - started) / CLOCK_NS_PER_S : 0),
	    SLUICE_VERSION);
	text_init(&reasons, BODY_MAX_BYTES / 2);
	if (!stats_is_well(&a->stats, &reasons))
		text_add(&t, ",\"reasons\":[%s]", reasons.buf);
	text_free(&reasons);
	text_add(&t, "}");
	send_text(conn, 200, NULL, &t);
	text_free(&t);
}

static void
get_ready(struct admin *a, struct http_conn *conn)
{
	struct text_out t, reasons;
	bool is_ready;

	text_init(&t, BODY_MAX_BYTES);
	text_init(&reasons, BODY_MAX_BYTES / 2);
	is_ready = stats_is_ready(&a->stats, &reasons);
	text_add(&t, "{\"status\":\"%s\",\"reasons\":[", is_ready ? "ready" : "not_ready");
	if (reasons.len > 0)
		text_add_bytes(&t, reasons.buf, reasons.len);
	text_add(&t, "]}");
	send_text(conn, is_ready ? 200 : 503, NULL, &t);
	text_free(&reasons);
	text_free(&t);
}

static void
get_list(struct http_conn *conn)
{
	struct text_out t;

	text_init(&t, BODY_MAX_BYTES);
	text_add(&t, "{\"service\":\"sluice\",\"version\":\"%s\",\"endpoints\":[", SLUICE_VERSION);
	for (size_t i = 0; i < ROUTES; i++)
		text_add(&t, "%s\"%s %s\"", i == 0 ? "" : ",",
		    routes[i].method == HTTP_METHOD_POST ? "POST" : "GET", routes[i].path);
	text_add(&t, "]}");
	send_text(conn, 200, NULL, &t);
	text_free(&t);
}

static void
get_route(struct admin *a, struct http_conn *conn, enum route route)
{
	static const char alive[] = "{\"status\":\"ok\"}";
	const struct http_answer ok = {.status = 200};
	struct bytes body = bytes_str(alive);

	switch (route) {
	case ROUTE_METRICS:
		get_metrics(a, conn);
		break;
	case ROUTE_HEALTH:
		get_health(a, conn);
		break;
	case ROUTE_LIVE:
		http_answer(conn, &ok, &body, 1);
		break;
	case ROUTE_READY:
		get_ready(a, conn);
		break;
	case ROUTE_LIST:
		get_list(conn);
		break;
	case ROUTE_DEADLETTER:
	case ROUTE_RETRY:
		break; /* need the request: on_request() */
	}
}

static void
on_request(void *ctx, struct http_conn *conn, const struct http_request *request, struct bytes body)
{
	struct admin *a = ctx;
	int id;

	worker_woke(a->worker);
	id = http_answer_route(conn, routes, ROUTES, request->head);
	if (id == ROUTE_DEADLETTER)
		admin_deadletter_get(a->deadletter, conn, request);
	else if (id == ROUTE_RETRY)
		admin_deadletter_retry(a->deadletter, conn, request, body);
	else if (id != -1)
		get_route(a, conn, (enum route)id);
}

static void
on_rewrite(void *ctx, struct http_conn *conn, const struct http_held *held)
{
	struct admin *a = ctx;

	admin_deadletter_rewrite(a->deadletter, conn, held);
}

static const struct http_callbacks callbacks = {.request = on_request, .rewrite = on_rewrite};

static bool
on_line(void *ctx, const char *line, struct text_out *out)
{
	struct admin *a = ctx;

	worker_woke(a->worker);
	counters_add(a->worker->page->counter, counter_id(PROCESS, commands), 1);
	return stats_command(&a->stats, line, out);
}

static void
admin_start(struct worker *w)
{
	struct http_limits limits = HTTP_LIMITS_DEFAULT;
	struct admin *a = xcalloc(1, sizeof *a);

	w->stage = a;
	a->worker = w;
	stats_init(&a->stats, w->env->region, (uint64_t)w->env->cfg->global.hang_time_ms);
	stats_tick(&a->stats, clock_wall_ns(), clock_mono_ns());
	a->lines = lines_new(w->base, w->env->stats_fd, on_line, a);
	if (a->lines == NULL)
		fatal("cannot serve the stats socket: %s", strerror(errno));
	limits.body_bytes = 64u << 10;
	limits.connections = 256;
	limits.buffered_bytes = 64u << 20;
	/* One answer is made for each request at once: nobody may order a hundred. */
	limits.pipeline = 4;
	a->deadletter = admin_deadletter_new(w);
	a->server = http_server_new(w->base, &limits, &callbacks, a);
	admin_deadletter_serve(a->deadletter, a->server);
	for (uint32_t i = 0; i < CONFIG_BIND_MAX; i++)
		if (w->env->admin_fd[i] != -1 &&
		    http_server_listen(a->server, w->env->admin_fd[i], i) == -1)
			fatal("admin: cannot watch %s: %s", w->env->cfg->admin.bind.at[i].text,
			    strerror(errno));
	worker_ready(w);
}

static void
admin_tick(struct worker *w, uint64_t mono_ns)
{
	struct admin *a = w->stage;

	stats_tick(&a->stats, clock_wall_ns(), mono_ns);
	if (a->lines != NULL)
		lines_tick(a->lines, mono_ns);
	admin_deadletter_tick(a->deadletter, mono_ns);
	http_server_tick(a->server, mono_ns / CLOCK_NS_PER_MS);
}

static void
admin_drain(struct worker *w)
{
	struct admin *a = w->stage;

	lines_free(a->lines);
	a->lines = NULL;
	http_server_drain(a->server);
}

static bool
admin_is_done(struct worker *w)
{
	struct admin *a = w->stage;

	return http_server_is_empty(a->server);
}

static bool
admin_command(struct worker *w, const char *line, struct text_out *out)
{
	struct admin *a = w->stage;

	return stats_command(&a->stats, line, out);
}

const struct worker_ops admin_ops = {.start = admin_start,
    .tick = admin_tick,
    .drain = admin_drain,
    .is_done = admin_is_done,
    .command = admin_command,
    .help = ""
#define STATS_COMMAND(words, function, arguments, help) words "\t" help "\n"
#include "workers/stats_commands.def"
#undef STATS_COMMAND
};
