/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	ring - model: one writer, the journal that gates it, and a guest
 *
 * DESCRIPTION
 *	A ring of CAP cells; a frame is one or two cells.  The first cell is the
 *	header: it says its position and its length.  Positions run free up to
 *	END.  The writer may die before any of its stores, and may give a
 *	reserved frame up and write another of another length; both count
 *	against TROUBLE.  Its successor goes on at the tail.  The journal dies
 *	JOURNAL_KILLS times and begins again at the gate.
 *
 *	Weak order: a store goes to a buffer first, and each word leaves it at
 *	any time and in any order.  A release (fence, or the store of the tail)
 *	waits until all earlier stores have left.  What a dead writer stored
 *	leaves the buffer before the lock passes on.  The guest reads the cells
 *	of a frame in any order; its acquire fence puts the look at `claimed'
 *	after them.
 *
 *	Two runs share the work: one without the guest (NO_GUEST) and one in which
 *	a commit of the journal is one step (JOURNAL_AT_ONCE).
 *
 * PROPERTIES
 *	assert	the journal reads each published frame, whole, once, in order
 *	assert	the guest accepts no copy but the frame that was published
 *	assert	what the guest cannot have from the ring is in the log
 *	assert	the tail and `claimed' never go back; the tail is a frame's end
 *	end	everything published is in the log when all have ended
 *
 * MUTANTS
 *	PUBLISH_BEFORE_COPY	tail, then bytes
 *	RELAXED_TAIL		the tail may be seen before the bytes
 *	CLAIMED_RESET		a successor sets `claimed' to the tail
 *	NO_CLAIMED		bytes, then `claimed'
 *	NO_FENCE		no release between `claimed' and the bytes
 *	GATE_IGNORED		the writer does not ask for room
 *	GATE_EARLY		the journal moves the gate, then reads
 *	GUEST_ASKS_FIRST	`claimed' is read before the copy (no acquire fence)
 *	GUEST_TRUSTS		`claimed' is not read at all
 */
#ifndef CAP
#define CAP	4
#endif
#ifndef END
#define END	7
#endif
#ifndef TROUBLE
#define TROUBLE	1
#endif
#ifndef JOURNAL_KILLS
#define JOURNAL_KILLS	1
#endif

/* A cell: position, which attempt wrote it, length of its frame (0: body). */
#define CELL(p, n)	(((p) + 1) << 4 | trouble << 2 | (n))
#define POS(c)		(((c) >> 4) - 1)
#define LEN(c)		((c) & 3)

/* Shared memory. */
byte cell[CAP];
byte tail, claimed, gate;

/* The writer's stores that have not been seen yet; full[] says which. */
byte buf_cell[CAP], buf_tail, buf_claimed;
bool full_cell[CAP], full_tail, full_claimed;
#define DRAINED	(!full_cell[0] && !full_cell[1] && !full_cell[2] && !full_cell[3] && \
		    !full_tail && !full_claimed)

byte trouble;			/* deaths and given-up frames so far */
bool writer_ended;

/* What an observer knows. */
byte frame[END + 2];		/* the cell published at each position */
byte logged[END + 2];		/* the cell in the log */

#define OR_DIE	:: atomic { trouble < TROUBLE -> trouble++; goto killed }

inline store_claimed(value) {
	if
	:: atomic { !full_claimed -> buf_claimed = value; full_claimed = true }
	OR_DIE
	fi
}

inline store_cell(p, value) {
	if
	:: atomic { !full_cell[(p) % CAP] ->
		buf_cell[(p) % CAP] = value; full_cell[(p) % CAP] = true }
	OR_DIE
	fi
}

inline store_tail() {
	if
	:: atomic {
#ifdef RELAXED_TAIL
		!full_tail ->
#else
		DRAINED ->
#endif
		frame[at] = CELL(at, n);
		if
		:: n == 2 -> frame[at + 1] = CELL(at + 1, 0)
		:: else
		fi;
		buf_tail = at + n; full_tail = true
	}
	OR_DIE
	fi
}

inline release_fence() {
#ifdef NO_FENCE
	skip
#else
	DRAINED
#endif
}

inline copy() {
	store_cell(at, CELL(at, n));
	if
	:: n == 2 -> store_cell(at + 1, CELL(at + 1, 0))
	:: else
	fi
}

proctype writer()
{
	byte at, n, mine;	/* mine: the greatest position claimed so far */

open:	atomic {
		DRAINED;		/* the lock has passed on */
		at = tail;
		assert(at == 0 || frame[at - 1] != 0);
#ifdef CLAIMED_RESET
		mine = tail;
		buf_claimed = tail; full_claimed = true
#else
		mine = claimed
#endif
	}

put:	atomic {
		if
		:: at >= END -> goto end
		:: at < END
		fi;
		if
		:: n = 1
		:: n = 2
		fi
	}
#ifndef GATE_IGNORED
	at + n - gate <= CAP;		/* acquire; RING_FULL until then */
#endif
#ifndef NO_CLAIMED
	if
	:: at + n > mine -> mine = at + n; store_claimed(mine)
	:: else
	fi;
	release_fence();
#endif
#ifdef PUBLISH_BEFORE_COPY
	store_tail();
	copy();
#else
	copy();
#ifdef NO_CLAIMED
	if
	:: at + n > mine -> mine = at + n; store_claimed(mine)
	:: else
	fi;
#endif
	if
	:: true
	:: atomic { trouble < TROUBLE -> trouble++; goto put }	/* given up */
	fi;
	store_tail();
#endif
	atomic { at = at + n; goto put }

killed:	atomic { at = 0; n = 0; mine = 0; goto open }
end:	DRAINED;
	writer_ended = true
}

#define LEAVES(i)	:: atomic { full_cell[i] -> \
	cell[i] = buf_cell[i]; buf_cell[i] = 0; full_cell[i] = false }

proctype buffer()
{
end_buffer:
	do
	LEAVES(0)
	LEAVES(1)
	LEAVES(2)
	LEAVES(3)
	:: atomic { full_claimed ->
#if !defined(CLAIMED_RESET)
		assert(buf_claimed >= claimed);
#endif
		claimed = buf_claimed; buf_claimed = 0; full_claimed = false }
	:: atomic { full_tail ->
		assert(buf_tail > tail);
		tail = buf_tail; buf_tail = 0; full_tail = false }
	od
}

/* Group commits of all that is published; the log is a list by position. */
proctype journal()
{
	byte at, until, kills;

begin:	atomic {
		(gate < tail || (writer_ended && gate == tail));
		if
		:: gate == tail -> goto end
		:: else
		fi;
		at = gate; until = tail		/* acquire */
	}
#ifdef JOURNAL_AT_ONCE
	atomic {
		do
		:: at < until -> logged[at] = cell[at % CAP]; at++
		:: at == until -> break
		od;
		gate = until; at = 0; until = 0;
		goto begin
	}
#endif
#ifdef GATE_EARLY
	gate = until;
#endif
	do
	:: atomic { at < until ->
		assert(cell[at % CAP] == frame[at]);
		assert(at == 0 || logged[at - 1] != 0);
		logged[at] = cell[at % CAP];
		at++ }
	:: at == until -> break
	:: atomic { kills < JOURNAL_KILLS -> kills++; at = 0; until = 0; goto begin }
	od;
	if
	:: gate = until				/* release; after the fsync */
	:: atomic { kills < JOURNAL_KILLS -> kills++; at = 0; until = 0; goto begin }
	fi;
	atomic { at = 0; until = 0; goto begin }
end:	for (at : 0 .. tail - 1) {
		assert(logged[at] == frame[at])
	}
}

proctype guest()
{
	byte at, head, body;
#ifdef GUEST_ASKS_FIRST
	byte early;
#endif

next:	atomic {
		head = 0; body = 0;
		(at < tail || (writer_ended && at == tail));
		if
		:: at == tail -> goto end
		:: else
		fi;
		if
		:: tail - at > CAP -> goto use_log
		:: else
		fi
#ifdef GUEST_ASKS_FIRST
		; early = claimed
#endif
	}
	/* The body, if there is one, may be read first. */
	if
	:: head = cell[at % CAP]; body = cell[(at + 1) % CAP]
	:: body = cell[(at + 1) % CAP]; head = cell[at % CAP]
	fi;
	atomic {
		/* After the acquire fence. */
		if
#if defined(GUEST_ASKS_FIRST)
		:: early > at + CAP -> goto use_log
#elif defined(GUEST_TRUSTS)
#else
		:: claimed > at + CAP -> goto use_log
#endif
		:: else
		fi;
		/* No CRC here: it would find most torn copies, not all. */
		if
		:: head == 0 || POS(head) != at || LEN(head) == 0 -> goto use_log
		:: else
		fi;
		assert(head == frame[at]);
		assert(LEN(head) == 1 || body == frame[at + 1]);
		at = at + LEN(head);
		goto next
	}
use_log:
	atomic {
		head = 0; body = 0;
#ifdef GUEST_ASKS_FIRST
		early = 0;
#endif
		assert(at < gate && logged[at] == frame[at]);
		at = at + LEN(frame[at]);
		goto next
	}
end:	skip
}

init {
	atomic {
		run writer();
		run buffer();
		run journal();
#ifndef NO_GUEST
		run guest()
#endif
	}
}
