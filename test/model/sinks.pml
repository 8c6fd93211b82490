/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	sinks - model: late duplicates, dead letters and cursors of two sinks
 *
 * DESCRIPTION
 *	One stream of N durable events.  The claiming sink asks Redis about each:
 *	`foreign' ones are another node's and go to the late list.  The other
 *	sink follows its cursor, skips what is listed, delivers the rest, and
 *	dead-letters the `bad'.  An acceptor sees the second sink's cursor pass
 *	and tells its client.
 *
 *	Each store to shared memory, each write to a file and each sync is one
 *	step.  KILLS times one of the two dies between two steps; CUTS times the
 *	power goes: what was not synced may be gone, shared memory is, and both
 *	go on from their checkpoints.
 *
 * PROPERTIES
 *	assert	a foreign event is never delivered here
 *	assert	an event that is not foreign is never skipped
 *	assert	a checkpoint never passes a bad event whose record may be lost
 *	assert	`delivered' is never told of a dead letter
 *	end	every event was delivered, listed or dead-lettered
 *
 * MUTANTS
 *	CURSOR_FIRST		the claiming sink's cursor moves before the list's length
 *	LENGTH_FIRST		the sink takes the list's length, then the cursor
 *	CHECKPOINT_FIRST	the claiming sink's checkpoint is written before the list
 *				is synced
 *	RECORD_UNSYNCED		the cursor passes a dead letter that is not synced
 *	NOTICE_LATE		the notice comes after the cursor
 */
#ifndef N
#define N	2
#endif
#ifndef KILLS
#define KILLS	1
#endif
#ifndef CUTS
#define CUTS	1
#endif
#define ALL	((1 << N) - 1)
#define BIT(k)	(1 << (k))

byte foreign, bad;		/* sets of events, chosen at the start */
byte kills = KILLS, cuts = CUTS;

/* Shared memory. */
byte c_cur, length, s_cur, noticed;
/* Files: the list, how much of it is synced, its events; records; checkpoints. */
byte list[8];
byte written, synced, records, records_synced, c_ck, s_ck;
/* The world. */
byte delivered, skipped;
/* The acceptor began to wait behind the last power cut. */
byte base;

byte c_pc, s_pc, limit, n, known;
byte a_seen;
bool a_looks;

inline learn() {
	byte i = 0;

	known = 0;
	do
	:: i < n -> known = known | BIT(list[i]); i++
	:: else -> break
	od;
	i = 0
}

inline check() {
	assert((delivered & foreign) == 0);			/* foreign */
	assert((skipped & (ALL & ~foreign)) == 0);		/* skipped */
	if
	:: s_ck > 0 ->
		assert((((1 << s_ck) - 1) & bad & ~foreign & ~records_synced) == 0) /* record */
	:: else
	fi
}

init {
	byte k = 0;

	do
	:: k < N ->
		if
		:: foreign = foreign | BIT(k)
		:: bad = bad | BIT(k)
		:: skip
		fi;
		k++
	:: else -> break
	od;
	k = 0;

	do
	/* ---- the claiming sink */
	:: c_pc == 0 && c_cur < N -> atomic {
		if
		:: (foreign & BIT(c_cur)) != 0 && written < 8 -> c_pc = 1
		:: (foreign & BIT(c_cur)) == 0 -> c_pc = 3
		fi }
	:: c_pc == 1 -> atomic { list[written] = c_cur; written++;
#ifdef CURSOR_FIRST
		c_pc = 3 }
	:: c_pc == 2 -> atomic { length = written; c_pc = 0 }
	:: c_pc == 3 -> atomic { c_cur++; c_pc = 2 }
#else
		c_pc = 2 }
	:: c_pc == 2 -> atomic { length = written; c_pc = 3 }
	:: c_pc == 3 -> atomic { c_cur++; c_pc = 0 }
#endif
	:: c_pc == 0 && c_ck != c_cur -> c_pc = 5
#ifdef CHECKPOINT_FIRST
	:: c_pc == 5 -> atomic { c_ck = c_cur; c_pc = 6 }
	:: c_pc == 6 -> atomic { synced = written; c_pc = 0 }
#else
	:: c_pc == 5 -> atomic { synced = written; c_pc = 6 }
	:: c_pc == 6 -> atomic { c_ck = c_cur; c_pc = 0 }
#endif
	/* Its successor cuts what was not published. */
	:: kills > 0 && c_pc != 0 -> atomic { kills--; c_pc = 0; written = length;
		if :: synced > written -> synced = written :: else fi }

	/* ---- the other sink */
#ifdef LENGTH_FIRST
	:: s_pc == 0 && s_cur < N -> atomic { n = length; s_pc = 1 }
	:: s_pc == 1 -> atomic { limit = c_cur; s_pc = 2 }
#else
	:: s_pc == 0 && s_cur < N -> atomic { limit = c_cur; s_pc = 1 }
	:: s_pc == 1 -> atomic { n = length; s_pc = 2 }
#endif
	:: s_pc == 2 -> atomic { learn(); s_pc = 3 }
	:: s_pc == 3 -> atomic {
		if
		:: s_cur >= limit -> s_pc = 0
		:: s_cur < limit && (known & BIT(s_cur)) != 0 ->
			skipped = skipped | BIT(s_cur); s_pc = 7
		:: s_cur < limit && (known & BIT(s_cur)) == 0 && (bad & BIT(s_cur)) != 0 ->
			s_pc = 4
		:: s_cur < limit && (known & BIT(s_cur)) == 0 && (bad & BIT(s_cur)) == 0 ->
			delivered = delivered | BIT(s_cur); s_pc = 7
		fi;
		check() }
	:: s_pc == 4 -> atomic { records = records | BIT(s_cur);
#ifdef RECORD_UNSYNCED
		s_pc = 6 }
#else
		s_pc = 5 }
	:: s_pc == 5 -> atomic { records_synced = records; s_pc = 6 }
#endif
#ifdef NOTICE_LATE
	:: s_pc == 6 -> s_pc = 7
	:: s_pc == 7 -> atomic { s_cur++;
		if
		:: (bad & ~foreign & BIT(s_cur - 1)) != 0 -> s_pc = 8
		:: else -> s_pc = 3
		fi }
	:: s_pc == 8 -> atomic { noticed = noticed | BIT(s_cur - 1); s_pc = 3 }
#else
	:: s_pc == 6 -> atomic { noticed = noticed | BIT(s_cur); s_pc = 7 }
	:: s_pc == 7 -> atomic { s_cur++; s_pc = 3 }
#endif
	:: (s_pc == 0 || s_pc == 3) && s_ck != s_cur -> atomic { s_ck = s_cur; check() }
	:: kills > 0 && s_pc != 0 -> atomic { kills--; s_pc = 0; known = 0; n = 0 }

	/* ---- the acceptor: first the cursor, then the notices */
	:: !a_looks && s_cur > a_seen -> atomic { a_seen = s_cur; a_looks = true }
	:: a_looks -> atomic {
		k = base;
		do
		:: k < a_seen ->
			assert((bad & ~foreign & ~noticed & BIT(k)) == 0);	/* told */
			k++
		:: else -> break
		od;
		k = 0;
		a_looks = false }

	/* ---- the power */
	:: cuts > 0 -> atomic {
		cuts--;
		do
		:: written > synced -> written--
		:: break
		od;
		length = written;
		c_cur = c_ck; s_cur = s_ck; c_pc = 0; s_pc = 0; known = 0; n = 0;
		records = records_synced; noticed = 0;
		base = s_ck; a_seen = s_ck; a_looks = false;
		if
		:: synced > written -> synced = written
		:: else
		fi;
		check() }

	:: c_cur == N && s_cur == N && c_pc == 0 && (s_pc == 0 || s_pc == 3) && !a_looks -> break
	od;
	assert(((delivered | skipped | records) & ALL) == ALL);	/* end */
	assert((bad & ~foreign & ~records) == 0)
}
