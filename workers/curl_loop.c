/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	curl_loop - HTTP requests on the event loop, many at a time, none of them blocking
 *
 * DESCRIPTION
 *	See curl_loop.h.  libcurl tells which sockets and which timer to watch
 *	(watch_socket, watch_timer) and is told what happened to them.  Finished
 *	requests are read from its queue after each of these, outside all of its
 *	own callbacks, so that done() may call anything.
 *
 * PROCESS
 *	Sinks that speak HTTP.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/curl_loop.h"

#include "common/panic.h"

#include <stdlib.h>
#include <string.h>

#define IDLE_CALLS_MAX 64 /* handles kept for later */

struct curl_call {
	struct curl_loop *loop;
	CURL *easy;
	struct curl_call *next, *prev; /* running, or idle (next only) */
	struct curl_slist no_expect;   /* in front of the caller's headers */
	const struct bytes *body;
	size_t pieces, piece, piece_off;
	bool was_read; /* libcurl asked for the body: what is before it was sent */
	uint8_t *answer;
	size_t answer_len, answer_size, answer_max;
	bool answer_is_cut;
	void (*done)(void *ctx, const struct curl_reply *reply);
	void *ctx;
	char error[CURL_ERROR_SIZE];
};

struct curl_loop {
	struct event_base *base;
	CURLM *multi;
	struct event *timer;
	struct curl_call *running, *idle;
	unsigned n_running, n_idle;
	curl_loop_woke_fn woke;
	void *woke_ctx;
};

static void
check(CURLMcode code)
{
	if (code != CURLM_OK)
		PANIC("curl_loop: %s", curl_multi_strerror(code));
}

/*---- What libcurl calls */

static size_t
give_body(char *buf, size_t size, size_t n, void *arg)
{
	struct curl_call *c = arg;
	size_t room = size * n, given = 0;

	c->was_read = true;
	while (given < room && c->piece < c->pieces) {
		struct bytes p = c->body[c->piece];
		size_t len = p.len - c->piece_off;

		if (len > room - given)
			len = room - given;
		if (len > 0)
			memcpy(buf + given, p.ptr + c->piece_off, len);
		given += len;
		c->piece_off += len;
		if (c->piece_off == p.len) {
			c->piece++;
			c->piece_off = 0;
		}
	}
	return given;
}

/* A kept connection was closed: from the beginning, on another one. */
static int
seek_body(void *arg, curl_off_t off, int origin)
{
	struct curl_call *c = arg;

	if (off != 0 || origin != SEEK_SET)
		return CURL_SEEKFUNC_CANTSEEK;
	c->piece = 0;
	c->piece_off = 0;
	return CURL_SEEKFUNC_OK;
}

static size_t
keep_answer(char *bytes, size_t size, size_t n, void *arg)
{
	struct curl_call *c = arg;
	size_t len = size * n, want;

	if (len > c->answer_max - c->answer_len) {
		c->answer_is_cut = true;
		len = c->answer_max - c->answer_len;
	}
	want = c->answer_len + len;
	if (want > c->answer_size) {
		size_t grown = want < 1024 ? 1024 : 2 * want;
		uint8_t *p = realloc(c->answer, grown);

		if (p == NULL) {
			c->answer_is_cut = true;
			return size * n;
		}
		c->answer = p;
		c->answer_size = grown;
	}
	if (len > 0)
		memcpy(c->answer + c->answer_len, bytes, len);
	c->answer_len = want;
	return size * n;
}

/*---- Calls */

static void
call_free(struct curl_call *c)
{
	curl_easy_cleanup(c->easy);
	free(c->answer);
	free(c);
}

/* A handle with what never changes. */
static struct curl_call *
call_new(struct curl_loop *l)
{
	struct curl_call *c = calloc(1, sizeof *c);
	CURL *e = curl_easy_init();

	if (c == NULL || e == NULL) {
		curl_easy_cleanup(e);
		free(c);
		return NULL;
	}
	c->loop = l;
	c->easy = e;
	c->no_expect.data = (char *)(uintptr_t) "Expect:";
	curl_easy_setopt(e, CURLOPT_PRIVATE, c);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, c->error);
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_NOPROGRESS, 1L);
	curl_easy_setopt(e, CURLOPT_PROXY, "");
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
	/* Do not wait for a thread that still resolves a name we no longer need. */
	curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(e, CURLOPT_USERAGENT, "sluice/" SLUICE_VERSION);
	curl_easy_setopt(e, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
	curl_easy_setopt(e, CURLOPT_READFUNCTION, give_body);
	curl_easy_setopt(e, CURLOPT_READDATA, c);
	curl_easy_setopt(e, CURLOPT_SEEKFUNCTION, seek_body);
	curl_easy_setopt(e, CURLOPT_SEEKDATA, c);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, keep_answer);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, c);
	return c;
}

static struct curl_call *
call_take(struct curl_loop *l)
{
	struct curl_call *c = l->idle;

	if (c == NULL)
		return call_new(l);
	l->idle = c->next;
	l->n_idle--;
	c->next = NULL;
	return c;
}

static void
call_put_back(struct curl_loop *l, struct curl_call *c)
{
	if (l->n_idle >= IDLE_CALLS_MAX) {
		call_free(c);
		return;
	}
	c->prev = NULL;
	c->next = l->idle;
	l->idle = c;
	l->n_idle++;
}

static void
unlink_running(struct curl_loop *l, struct curl_call *c)
{
	check(curl_multi_remove_handle(l->multi, c->easy));
	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		l->running = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	l->n_running--;
}

static void
finish(struct curl_loop *l, struct curl_call *c, CURLcode result)
{
	struct curl_reply r = {.call = c};
	curl_off_t after = 0;
	long request_len = 0;

	curl_easy_getinfo(c->easy, CURLINFO_REQUEST_SIZE, &request_len);
	curl_easy_getinfo(c->easy, CURLINFO_CONNECT_TIME, &r.connect_s);
	curl_easy_getinfo(c->easy, CURLINFO_TOTAL_TIME, &r.total_s);
	r.may_have_arrived = request_len > 0 || c->was_read;
	r.is_timeout = result == CURLE_OPERATION_TIMEDOUT;
	if (result == CURLE_OK) {
		curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &r.status);
		curl_easy_getinfo(c->easy, CURLINFO_RETRY_AFTER, &after);
		if (after > 0)
			r.retry_after_ms = (uint64_t)after < CURL_LOOP_RETRY_AFTER_MS / 1000
					       ? (uint64_t)after * 1000
					       : CURL_LOOP_RETRY_AFTER_MS;
	}
	if (r.status == 0)
		r.error = c->error[0] != '\0' ? c->error : curl_easy_strerror(result);
	r.body = bytes_of(c->answer, c->answer_len);
	r.body_is_cut = c->answer_is_cut;
	unlink_running(l, c);
	c->done(c->ctx, &r);
	call_put_back(l, c);
}

static void
finish_all(struct curl_loop *l)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(l->multi, &left)) != NULL) {
		void *c = NULL;

		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &c);
		finish(l, c, m->data.result);
	}
}

/*---- Sockets and the timer */

static void
on_socket(evutil_socket_t fd, short what, void *arg)
{
	struct curl_loop *l = arg;
	int running, flags = 0;

	if (l->woke != NULL)
		l->woke(l->woke_ctx);
	if (what & EV_READ)
		flags |= CURL_CSELECT_IN;
	if (what & EV_WRITE)
		flags |= CURL_CSELECT_OUT;
	check(curl_multi_socket_action(l->multi, fd, flags, &running));
	finish_all(l);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct curl_loop *l = arg;
	int running;

	(void)fd;
	(void)what;
	if (l->woke != NULL)
		l->woke(l->woke_ctx);
	check(curl_multi_socket_action(l->multi, CURL_SOCKET_TIMEOUT, 0, &running));
	finish_all(l);
}

static int
watch_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	struct curl_loop *l = arg;
	struct event *ev = socket_arg;
	short flags = EV_PERSIST;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (ev != NULL)
			event_free(ev);
		return 0;
	}
	if (what & CURL_POLL_IN)
		flags |= EV_READ;
	if (what & CURL_POLL_OUT)
		flags |= EV_WRITE;
	if (ev == NULL) {
		if ((ev = event_new(l->base, fd, flags, on_socket, l)) == NULL)
			return -1;
		check(curl_multi_assign(l->multi, fd, ev));
	} else {
		(void)event_del(ev);
		(void)event_assign(ev, l->base, fd, flags, on_socket, l);
	}
	return event_add(ev, NULL);
}

static int
watch_timer(CURLM *multi, long timeout_ms, void *arg)
{
	struct curl_loop *l = arg;
	struct timeval tv;

	(void)multi;
	if (timeout_ms < 0)
		return event_del(l->timer);
	tv.tv_sec = timeout_ms / 1000;
	tv.tv_usec = timeout_ms % 1000 * 1000;
	return event_add(l->timer, &tv);
}

/*---- For callers */

struct curl_loop *
curl_loop_new(struct event_base *base, long max_connections, long max_per_host,
    curl_loop_woke_fn woke, void *woke_ctx)
{
	struct curl_loop *l = xcalloc(1, sizeof *l);

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		fatal("libcurl cannot be set up");
	l->base = base;
	l->woke = woke;
	l->woke_ctx = woke_ctx;
	l->multi = curl_multi_init();
	l->timer = event_new(base, -1, 0, on_timer, l);
	if (l->multi == NULL || l->timer == NULL)
		fatal("libcurl cannot be set up: no memory");
	check(curl_multi_setopt(l->multi, CURLMOPT_SOCKETFUNCTION, watch_socket));
	check(curl_multi_setopt(l->multi, CURLMOPT_SOCKETDATA, l));
	check(curl_multi_setopt(l->multi, CURLMOPT_TIMERFUNCTION, watch_timer));
	check(curl_multi_setopt(l->multi, CURLMOPT_TIMERDATA, l));
	check(curl_multi_setopt(l->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING));
	check(curl_multi_setopt(l->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, max_connections));
	check(curl_multi_setopt(l->multi, CURLMOPT_MAX_HOST_CONNECTIONS, max_per_host));
	check(curl_multi_setopt(l->multi, CURLMOPT_MAXCONNECTS, max_connections));
	return l;
}

void
curl_loop_free(struct curl_loop *l)
{
	if (l == NULL)
		return;
	while (l->running != NULL)
		curl_loop_cancel(l, l->running);
	while (l->idle != NULL) {
		struct curl_call *c = l->idle;

		l->idle = c->next;
		call_free(c);
	}
	/* Closes kept connections, and calls watch_socket() for them. */
	check(curl_multi_cleanup(l->multi));
	event_free(l->timer);
	free(l);
}

/* What the method needs; a body makes it an upload whose length is known. */
static void
set_method(CURL *e, const struct curl_request *r, curl_off_t len)
{
	const char *method = r->method == NULL ? "POST" : r->method;

	curl_easy_setopt(e, CURLOPT_NOBODY, 0L);
	curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, NULL);
	if (strcmp(method, "POST") == 0 || r->pieces > 0) {
		curl_easy_setopt(e, CURLOPT_POST, 1L);
		curl_easy_setopt(e, CURLOPT_POSTFIELDS, NULL);
		curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, len);
		if (strcmp(method, "POST") != 0)
			curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, method);
		return;
	}
	curl_easy_setopt(e, CURLOPT_HTTPGET, 1L);
	if (strcmp(method, "HEAD") == 0)
		curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
	else if (strcmp(method, "GET") != 0)
		curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, method);
}

struct curl_call *
curl_loop_send(struct curl_loop *l, const struct curl_request *r)
{
	struct curl_call *c = call_take(l);
	curl_off_t len = 0;
	CURL *e;

	if (c == NULL)
		return NULL;
	e = c->easy;
	for (size_t i = 0; i < r->pieces; i++)
		len += (curl_off_t)r->body[i].len;
	c->body = r->body;
	c->pieces = r->pieces;
	c->piece = c->piece_off = 0;
	c->was_read = c->answer_is_cut = false;
	c->answer_len = 0;
	c->answer_max = r->body_max == 0 ? CURL_LOOP_BODY_MAX : r->body_max;
	c->done = r->done;
	c->ctx = r->ctx;
	c->error[0] = '\0';
	c->no_expect.next = r->headers;
	set_method(e, r, len);
	curl_easy_setopt(e, CURLOPT_HTTPHEADER, &c->no_expect);
	curl_easy_setopt(e, CURLOPT_USERNAME, r->user);
	curl_easy_setopt(e, CURLOPT_PASSWORD, r->password);
	if (r->ca_file != NULL && r->ca_file[0] != '\0')
		curl_easy_setopt(e, CURLOPT_CAINFO, r->ca_file);
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, r->connect_timeout_ms);
	curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, r->timeout_ms);
	if (curl_easy_setopt(e, CURLOPT_URL, r->url) != CURLE_OK ||
	    curl_multi_add_handle(l->multi, e) != CURLM_OK) {
		call_put_back(l, c);
		return NULL;
	}
	c->prev = NULL;
	c->next = l->running;
	if (c->next != NULL)
		c->next->prev = c;
	l->running = c;
	l->n_running++;
	return c;
}

void
curl_loop_cancel(struct curl_loop *l, struct curl_call *c)
{
	unlink_running(l, c);
	call_put_back(l, c);
}

unsigned
curl_loop_running(const struct curl_loop *l)
{
	return l->n_running;
}

const char *
curl_loop_header(const struct curl_reply *reply, const char *name)
{
	struct curl_header *h;

	if (curl_easy_header(reply->call->easy, name, 0, CURLH_HEADER, -1, &h) != CURLHE_OK)
		return NULL;
	return h->value;
}
