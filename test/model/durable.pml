/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	durable - model: who was told `durable' finds the event after a power cut
 *
 * DESCRIPTION
 *	Acceptor A puts events into stream 0, acceptor B into stream 1; B also
 *	meets duplicates of A's events, notes every stream's tail and answers
 *	when the durable positions have passed them.  The journal commits both
 *	streams: write, fsync, store the log's end, store the cursors.  It may
 *	roll to a new segment, may die KILLS times at any step (a successor opens a
 *	new segment, whose header names the end that stands in the region, and
 *	goes on from the cursors), and one fsync may fail.  Ring 0 may once be
 *	set aside as damaged: its unread frames become a GAP.
 *
 *	In every state the power may be cut: what was fsynced is there, what was
 *	only written is there or not, and recovery reads the segments that hang
 *	together, each up to the end that its successor names.
 *
 * PROPERTIES
 *	assert	recovery has everything below each durable position
 *	assert	recovery has each event that was answered `duplicate, durable'
 *	assert	recovery finds no hole before the last commit
 *	assert	no `duplicate, durable' for an event that a GAP passed over
 *	end	nobody waits for ever
 *
 * MUTANTS
 *	DUP_AT_ONCE		a duplicate's answer does not wait
 *	DUP_OWN_TAIL		it waits for B's own stream only
 *	TAILS_BEFORE_LOOKUP	the tails are noted before the look-up
 *	ACK_BEFORE_FSYNC	the cursors move before the fsync
 *	CURSOR_BEFORE_END	the cursors move before the log's end
 *	END_IN_TWO_STORES	segment and offset of the end are two words
 *	FSYNC_AGAIN		a failed fsync is tried again on the same file
 *	WRITE_TWICE		the successor goes on in its predecessor's segment
 *				at the end that stands in the region
 *	GAP_IS_DURABLE		a waiter takes a GAP for durability
 */
#ifndef EVENTS_A
#define EVENTS_A	2
#endif
#ifndef EVENTS_B
#define EVENTS_B	1
#endif
#ifndef DUPLICATES
#define DUPLICATES	1
#endif
#ifndef KILLS
#define KILLS	1
#endif
#ifndef ROLLS
#define ROLLS	1
#endif
#define COMMITS	(EVENTS_A + EVENTS_B + KILLS + 1)
#define SEGS	(KILLS + ROLLS + 2)	/* one failed fsync */
#define NONE	15

/* The region. */
byte tail[2], durable[2];
byte end_seg = NONE, end_off;
bool retired;			/* ring 0 was set aside; stored before its cursor */

/* The disk.  A commit is whole or counts as not there. */
byte commits, com_seg[COMMITS], com_off[COMMITS];
byte from_a[COMMITS], to_a[COMMITS], from_b[COMMITS], to_b[COMMITS];
bool synced[COMMITS];
byte segs, prev_seg[SEGS], prev_end[SEGS];
bool head_synced[SEGS];

/* What an observer knows. */
byte told;			/* events of A below this were told `duplicate, durable' */
byte gap_from = NONE, gap_to;
byte kills, failures, rolls;
bool a_ended, b_ended;

proctype A()
{
	do
	:: tail[0] < EVENTS_A && !retired -> tail[0]++
	:: break
	od;
	a_ended = true
}

inline note_tails() {
	t0 = tail[0];
	t1 = tail[1]
}

proctype B()
{
	byte event, t0, t1, todo = DUPLICATES;

	do
	:: tail[1] < EVENTS_B -> tail[1]++
	:: todo > 0 ->
#ifdef TAILS_BEFORE_LOOKUP
		note_tails();
#endif
		atomic {		/* settled, so the put is visible */
			if
			:: tail[0] > 0 -> event = 0
			:: tail[0] > 1 -> event = 1
			:: tail[0] == 0 -> goto end
			fi;
			todo--
		}
#ifndef TAILS_BEFORE_LOOKUP
		note_tails();
#endif
#if defined(DUP_AT_ONCE)
		skip;
#elif defined(DUP_OWN_TAIL)
		durable[1] >= t1;
#else
		durable[0] >= t0;
		durable[1] >= t1;
#endif
		atomic {
			if
#ifndef GAP_IS_DURABLE
			:: retired		/* the answer is `unknown' */
#endif
			:: else ->
				assert(event < gap_from || event >= gap_to);
				told = (event + 1 > told -> event + 1 : told)
			fi;
			event = 0; t0 = 0; t1 = 0
		}
	:: break
	od;
end:	b_ended = true
}

#define OR_DIE	:: atomic { kills < KILLS -> kills++; goto killed }

inline store_end() {
#ifdef END_IN_TWO_STORES
	if
	:: end_off = off
	OR_DIE
	fi;
	if
	:: end_seg = seg
	OR_DIE
	fi
#else
	if
	:: atomic { end_seg = seg; end_off = off }
	OR_DIE
	fi
#endif
}

inline store_cursors() {
	if
	:: durable[0] = n0
	OR_DIE
	fi;
	if
	:: durable[1] = n1
	OR_DIE
	fi
}

inline sync_commit() {
	if
	:: atomic { synced[commits - 1] = true; head_synced[seg] = true }
	:: atomic {
		failures == 0 -> failures++;
#ifndef FSYNC_AGAIN
		goto open		/* sealed; the frames go to a new segment */
#endif
	}
	OR_DIE
	fi
}

proctype journal()
{
	byte seg, off, n0, n1;

open:	atomic {			/* a successor, a roll, a failed fsync */
		seg = segs; off = 0; n0 = 0; n1 = 0;
		assert(segs < SEGS);
		prev_seg[seg] = end_seg; prev_end[seg] = end_off;
		segs++
	}
commit:	atomic {
		if
		:: tail[0] > durable[0] || tail[1] > durable[1] -> n0 = tail[0]
		:: a_ended && b_ended && tail[0] == durable[0] && tail[1] == durable[1] ->
			goto end
		fi
	}
	n1 = tail[1];
	if
	:: true
	:: atomic {			/* ring 0 cannot be read */
		gap_from == NONE && n0 > durable[0] ->
		gap_from = durable[0]; gap_to = n0;
		retired = true
	}
	fi;
	if
	:: atomic {
		assert(commits < COMMITS);
		com_seg[commits] = seg; com_off[commits] = off;
		from_a[commits] = durable[0]; to_a[commits] = n0;
		from_b[commits] = durable[1]; to_b[commits] = n1;
		commits++; off++
	}
	OR_DIE
	fi;
#ifdef ACK_BEFORE_FSYNC
	store_cursors();
#endif
	sync_commit();
#ifdef CURSOR_BEFORE_END
	store_cursors();
	store_end();
#else
	store_end();
	store_cursors();
#endif
	if
	:: goto commit
	:: atomic { rolls < ROLLS -> rolls++; goto open }
	fi;

killed:	atomic {
#ifdef WRITE_TWICE
		if
		:: end_seg != NONE ->
			/* What lay beyond the end in that segment is overwritten. */
			seg = end_seg; off = end_off;
			do
			:: commits > 0 && com_seg[commits - 1] == seg &&
			    com_off[commits - 1] >= off ->
				commits--; synced[commits] = false
			:: else -> break
			od;
			n0 = 0; n1 = 0;
			goto commit
		:: else
		fi;
#endif
		goto open
	}
end:	skip
}

/* What if the power were cut now?  Leaves no trace. */
proctype power()
{
	byte k, s, newest, has_a, has_b;
	byte limit[SEGS];
	bool cut;

end_power:
	do
	:: atomic {
		segs > 0 ->
		/* The newest segment whose header is there. */
		newest = NONE;
		for (s : 0 .. segs - 1) {
			if
			:: newest = s
			:: !head_synced[s]
			fi
		}
		/* The segments that hang together, and how much of each counts. */
		d_step {
		s = newest;
		if
		:: newest != NONE -> limit[newest] = 255
		:: else
		fi;
		do
		:: s != NONE && prev_seg[s] != NONE ->
			limit[prev_seg[s]] = prev_end[s];
			s = prev_seg[s]
		:: else -> break
		od;
		k = 0; cut = false;
		do
		:: k < commits ->
			if
			:: com_off[k] >= limit[com_seg[k]] || cut
			:: com_off[k] < limit[com_seg[k]] && !cut && !synced[k] ->
				assert(com_seg[k] == newest);	/* else a hole */
				cut = true
			:: com_off[k] < limit[com_seg[k]] && !cut ->
				if
				:: from_a[k] <= has_a && to_a[k] > has_a -> has_a = to_a[k]
				:: else
				fi;
				if
				:: from_b[k] <= has_b && to_b[k] > has_b -> has_b = to_b[k]
				:: else
				fi
			fi;
			k++
		:: else -> break
		od;
		assert(has_a >= durable[0]);
		assert(has_b >= durable[1]);
		assert(has_a >= told);
		for (s : 0 .. SEGS - 1) {
			limit[s] = 0
		}
		k = 0; s = 0; newest = 0; has_a = 0; has_b = 0; cut = false
		}
	}
	od
}

init {
	atomic {
		run A();
		run B();
		run journal();
		run power()
	}
}
