/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	acceptor_rewrite - answers that turned out otherwise while they waited
 *
 * DESCRIPTION
 *	An event that was put may turn out to be another node's (late: it is
 *	answered as a duplicate), may be refused by a required sink for ever
 *	(dead), or may not be delivered in time.  Such answers are few, so they
 *	are not kept as data but read back from their own text, which is ours:
 *	`{"status":"` and `,"receipt":"` cannot stand inside one of its strings,
 *	where a quote would be escaped.
 *
 * PROCESS
 *	Acceptors.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/acceptor.h"
#include "workers/acceptor_text.h"

#include <stdlib.h>
#include <string.h>

#define RECEIPT ",\"receipt\":\""
#define ACK     "\"ack\":\""

struct walk {
	const struct acceptor *a;
	struct http_out *out;
	struct acceptor_tally tally;
	bool has_late, has_dead;
};

static struct bytes
word_at(const uint8_t *at, const uint8_t *end)
{
	const uint8_t *quote = memchr(at, '"', (size_t)(end - at));

	return bytes_of(at, quote == NULL ? 0 : (size_t)(quote - at));
}

static uint64_t
receipt_pos(struct bytes receipt)
{
	const uint8_t *colon = memrchr(receipt.ptr, ':', receipt.len);
	uint64_t pos = 0;

	if (colon == NULL)
		return UINT64_MAX;
	for (const uint8_t *p = colon + 1; p < receipt.ptr + receipt.len; p++)
		pos = pos * 10 + (uint64_t)(*p - '0');
	return pos;
}

/* The first of what was found about a position; its neighbours may be about it too. */
static const struct sink_found *
find(const struct ack_found *found, uint64_t pos)
{
	size_t lo = 0, hi = found->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (found->at[mid].pos < pos)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < found->n && found->at[lo].pos == pos ? &found->at[lo] : NULL;
}

static struct bytes
find_receipt(struct bytes text)
{
	const uint8_t *mark = memmem(text.ptr, text.len, RECEIPT, sizeof RECEIPT - 1);

	if (mark == NULL)
		return bytes_of(NULL, 0);
	mark += sizeof RECEIPT - 1;
	return word_at(mark, text.ptr + text.len);
}

static void
write_dead(struct walk *w, const struct sink_found *f)
{
	const struct ack_found *found = &w->a->found;
	bool is_first = true;

	for (uint64_t pos = f->pos; f < found->at + found->n && f->pos == pos; f++) {
		if (f->what != SINK_DEAD || f->sink < 0)
			continue;
		http_out_bytes(w->out, is_first ? ",\"dead\":[" : ",", is_first ? 9 : 1);
		http_out_json(w->out, bytes_str(w->a->sinks.name[f->sink]));
		is_first = false;
	}
	if (!is_first) {
		http_out_byte(w->out, ']');
		w->has_dead = true;
	}
}

/* One result from behind its mark to where the next begins. */
static void
write_result(struct walk *w, const uint8_t *at, const uint8_t *end)
{
	struct bytes word = word_at(at, end), receipt;
	const uint8_t *mark = memmem(at, (size_t)(end - at), RECEIPT, sizeof RECEIPT - 1);
	const struct sink_found *f;

	w->tally.n[acceptor_text_verdict(word)]++;
	if (mark == NULL) {
		http_out_bytes(w->out, at, (size_t)(end - at));
		return;
	}
	receipt = word_at(mark + sizeof RECEIPT - 1, end);
	f = find(&w->a->found, receipt_pos(receipt));
	if (f != NULL && f->what == SINK_LATE) {
		w->has_late = true;
		w->tally.n[VERDICT_ACCEPTED]--;
		w->tally.n[VERDICT_DUPLICATE]++;
		http_out_lit(w->out, "duplicate");
		at += word.len;
		http_out_bytes(w->out, at, (size_t)(mark - at));
	} else {
		http_out_bytes(w->out, at, (size_t)(receipt.ptr + receipt.len + 1 - at));
		if (f != NULL)
			write_dead(w, f);
	}
	at = receipt.ptr + receipt.len + 1;
	http_out_bytes(w->out, at, (size_t)(end - at));
}

static enum config_ack
level_of(struct bytes body)
{
	const uint8_t *end = body.ptr + body.len, *mark = NULL, *at = body.ptr;

	while ((at = memmem(at, (size_t)(end - at), ACK, sizeof ACK - 1)) != NULL)
		mark = at += sizeof ACK - 1;
	if (mark == NULL)
		return CONFIG_ACK_MEMORY;
	return bytes_is(word_at(mark, end), BYTES_LIT("delivered")) ? CONFIG_ACK_DELIVERED
								    : CONFIG_ACK_DURABLE;
}

static enum config_ack
reached(const struct walk *w, enum config_ack said)
{
	return said == CONFIG_ACK_DELIVERED &&
		       (w->a->rewrite == ACCEPTOR_SHORT || w->has_late || w->has_dead)
		   ? CONFIG_ACK_DURABLE
		   : said;
}

static void
rewrite_single(struct walk *w, struct http_conn *conn, const struct http_held *held)
{
	const size_t open = sizeof ACCEPTOR_TEXT_OPEN - 1;
	const uint8_t *at = held->body.ptr, *end = at + held->body.len;
	const uint8_t *tail = memmem(at, held->body.len, "," ACK, sizeof ACK);
	struct bytes mark = find_receipt(held->body);
	const struct sink_found *f = mark.len == 0 ? NULL : find(&w->a->found, receipt_pos(mark));
	bool is_late = f != NULL && f->what == SINK_LATE;
	struct http_answer answer = {
	    .status = is_late ? (uint16_t)verdict_http(VERDICT_DUPLICATE) : held->status};

	w->out = http_answer_begin(conn, &answer);
	http_out_lit(w->out, ACCEPTOR_TEXT_OPEN);
	write_result(w, at + open, tail == NULL ? end : tail);
	http_out_lit(w->out, "," ACK);
	http_out_bytes(w->out, config_ack_word(reached(w, level_of(held->body))),
	    strlen(config_ack_word(reached(w, level_of(held->body)))));
	http_out_lit(w->out, "\"}");
	http_answer_end(conn);
}

static void
rewrite_batch(struct walk *w, struct http_conn *conn, const struct http_held *held)
{
	const size_t open = sizeof ACCEPTOR_TEXT_OPEN - 1;
	const uint8_t *at = held->body.ptr, *end = at + held->body.len;
	const uint8_t *counts =
	    memmem(at, held->body.len, ACCEPTOR_TEXT_COUNTS, sizeof ACCEPTOR_TEXT_COUNTS - 1);
	enum config_ack said = level_of(held->body);
	struct http_answer answer = {
	    .status = w->a->rewrite == ACCEPTOR_SHORT && said == CONFIG_ACK_DELIVERED
			  ? 202
			  : held->status};
	bool is_head = true;

	if (counts == NULL)
		counts = end;
	w->out = http_answer_begin(conn, &answer);
	for (;;) {
		const uint8_t *mark = memmem(at, (size_t)(counts - at), ACCEPTOR_TEXT_OPEN, open);
		const uint8_t *next;

		if (mark == NULL)
			break;
		mark += open;
		http_out_bytes(w->out, at, (size_t)(mark - at));
		next = memmem(mark, (size_t)(counts - mark), ACCEPTOR_TEXT_OPEN, open);
		at = mark;
		if (is_head) { /* the batch's own status */
			is_head = false;
			continue;
		}
		at = next == NULL ? counts : next;
		write_result(w, mark, at);
	}
	http_out_bytes(w->out, at, (size_t)(counts - at));
	acceptor_text_end(w->out, &w->tally, reached(w, said));
	http_answer_end(conn);
}

void
acceptor_rewrite_found(struct acceptor *a, struct http_conn *conn, const struct http_held *held)
{
	struct walk w = {.a = a};

	if (held->tag == ACCEPTOR_TAG_BATCH)
		rewrite_batch(&w, conn, held);
	else
		rewrite_single(&w, conn, held);
}
