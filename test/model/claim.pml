/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	claim - model: the same key is never put twice, by any acceptor
 *
 * DESCRIPTION
 *	NA acceptors share one bucket of NS slots.  A slot is one word: key
 *	and owner (0 = settled), or 0 = free.  Each acceptor takes NE events;
 *	the key of each is any of NK.  The order is that of the design:
 *	look up, note, claim (swap), rescan, put, settle, answer.  Each load,
 *	store and swap of a shared word is one step, so a scan of the bucket is
 *	NS steps.  KILLS times an acceptor, or a successor, dies before one of
 *	its stores to shared memory (to die between two loads leaves nothing
 *	else behind); a successor follows under the slot's lock.
 *
 *	A wait is for the word that was seen to change; unless PATIENT it
 *	may also run out at any time.  Unless NO_FAIL a put may fail.
 *
 * PROPERTIES
 *	assert	no second put of a key while its first is remembered
 *	assert	`duplicate' only when a put of that key stands in some ring
 *	assert	a settled word is never written before its put
 *	assert	a claim never evicts the same key, nor a live claim
 *	assert	no live claim when everybody has ended
 *	end	with PATIENT (no kills): nobody waits for ever
 *	progress	with PATIENT (no kills): nobody starts over for ever
 *
 * MUTANTS
 *	NO_RESCAN		go from claim to put
 *	WEAK_ORDER		swap and rescan acquire/release: the swap may sit
 *				in a store buffer while the rescan reads
 *	PUT_BEFORE_CLAIM	look up, put, then insert
 *	SETTLE_BEFORE_PUT
 *	CLAIM_KEPT		a failed put leaves its claim
 *	BOTH_KEEP		neither of two claims gives way
 *	BOTH_WAIT		both keep and wait (fails PATIENT only)
 *	BOTH_WITHDRAW		keeps all asserts, but may start over for ever
 *	WATCH_ONE		a keeper waits for the first claim it saw, then puts
 *				without another rescan
 *	VANISHED_IS_DUPLICATE	the loser takes a vanished claim for a put
 *	NOTE_LATE		the note is written after the swap
 *	NOTE_EARLY		the next note is written before the last settle
 *	SUCCESSOR_PUTS_FIRST	the successor puts a frame, then settles
 *	SUCCESSOR_FREES		the successor frees without looking at the tail
 *	SUCCESSOR_SETTLES	the successor settles without looking at the tail
 *	VICTIM_READ_AGAIN	the word to be swapped out is not the one the
 *				look-up saw
 *	EVICT_LIVE
 */
#ifndef NA
#define NA	2
#endif
#ifndef NS
#define NS	2
#endif
#ifndef NE
#define NE	1
#endif
#ifndef NK
#define NK	1
#endif
#ifndef KILLS
#define KILLS	1
#endif

#define NONE		15
#define OWNER(w)	((w) & 3)
#define KEY(w)		((w) >> 2)
#define CLAIM(k)	(((k) << 2) | me)
#define SETTLED(k)	((k) << 2)

byte word[NS];			/* the bucket; owners are 1..NA */
byte tail[NA + 1];		/* frames put, by owner */
byte left[NA + 1];		/* events to come, by owner */
byte kills = KILLS;		/* deaths to come */
byte ended;

/* An acceptor's page; three words, written one after the other. */
byte note_slot[NA + 1];
byte note_key[NA + 1];
byte note_pos[NA + 1];

/* What an observer knows; no acceptor reads it. */
byte puts[NK + 1];		/* puts ever */
byte known[NK + 1];		/* puts whose word was not evicted */

#ifdef WEAK_ORDER
byte buffered[NS];		/* a swap that others' loads do not see yet */
#define VISIBLE(s)	(buffered[s] == 0)
#else
#define VISIBLE(s)	true
#endif

/* A choice beside each store. */
#define OR_DIE	:: atomic { kills > 0 -> kills--; goto killed }

/* The frame of `key' is published: one step, as ring.pml shows. */
inline put() {
	if
	:: atomic {
		VISIBLE(at) ->
		tail[me]++;
		puts[key]++;
		known[key]++;
		assert(known[key] <= 1)
	}
	OR_DIE
	fi
}

/* An acceptor's own swap is seen before its later stores to that word. */
inline store(value) {
	if
	:: atomic { VISIBLE(at) -> word[at] = value }
	OR_DIE
	fi
}

inline note() {
	if
	:: note_slot[me] = at
	OR_DIE
	fi;
	if
	:: note_key[me] = key
	OR_DIE
	fi;
	if
	:: note_pos[me] = tail[me]
	OR_DIE
	fi
}

inline answer_duplicate() {
	assert(puts[key] > 0)
}

inline forget() {
	hit = NONE; seen = 0; at = NONE; old = 0; i = 0; key = 0
}

/*
 * Reads slot i.  hit, seen: a word of this key, a settled one if there is one.
 * at, old: the slot to claim, any free one, else any settled one (more than
 * `the oldest', so the oldest too).
 */
inline look_at() {
	if
	:: KEY(word[i]) == key ->
		if
		:: hit == NONE || OWNER(word[i]) == 0 -> hit = i; seen = word[i]
		:: else
		fi
	:: word[i] == 0 ->
		if
		:: at == NONE || old != 0 -> at = i; old = 0
		:: at != NONE && old == 0 -> at = i
		:: at != NONE && old == 0
		fi
#ifdef EVICT_LIVE
	:: word[i] != 0 && KEY(word[i]) != key ->
#else
	:: word[i] != 0 && KEY(word[i]) != key && OWNER(word[i]) == 0 ->
#endif
		if
		:: at == NONE || old != 0 -> at = i; old = word[i]
		:: at != NONE
		fi
	:: else
	fi
}

/*
 * Reads slot i, unless it is ours.  hit, seen: what decides, a settled word
 * before any claim, and of several claims any one.
 */
inline rescan_at() {
	if
	:: i == at || KEY(word[i]) != key
	:: i != at && KEY(word[i]) == key && (hit == NONE || OWNER(seen) != 0) ->
		hit = i; seen = word[i]
	:: i != at && KEY(word[i]) == key && hit != NONE && OWNER(word[i]) != 0
	fi
}

/* One compare-and-swap; if it does not take, somebody was faster. */
inline swap() {
	if
	:: atomic {
		VISIBLE(at) ->		/* a swap needs the line, so it waits for the buffer */
#ifdef VICTIM_READ_AGAIN
		if
		:: old != 0 && OWNER(word[at]) == 0 -> old = word[at]
		:: else
		fi;
#endif
		if
		:: word[at] == old ->
			assert(OWNER(old) == 0);
			if
			:: old != 0 ->
				assert(KEY(old) != key);
				known[KEY(old)]--
			:: else
			fi;
			old = 0;
#ifdef WEAK_ORDER
			if
			:: word[at] = CLAIM(key)
			:: buffered[at] = CLAIM(key)
			fi;
#else
			word[at] = CLAIM(key);
#endif
			goto swapped
		:: else ->
			hit = NONE; seen = 0; at = NONE; old = 0;
#ifdef PUT_BEFORE_CLAIM
			goto next
#else
			goto look_up
#endif
		fi
	}
	OR_DIE
	fi
}

#ifdef PATIENT
#define OR_RUN_OUT(where)
#else
#define OR_RUN_OUT(where)	:: goto where
#endif

proctype acceptor(byte me)
{
	byte at = NONE, old, hit = NONE, seen, key, i;

next:	skip;
progress_next:
	atomic {
		forget();
		if
		:: left[me] == 0 -> goto end
		:: else
		fi;
		left[me]--;
		select(key : 1 .. NK)
	}

look_up:
	atomic {
		look_at();
		i++;
		if
		:: i < NS -> goto look_up
		:: else
		fi;
		i = 0;
		if
		:: hit == NONE && at == NONE -> goto next	/* retry: all slots live */
		:: hit == NONE && at != NONE -> goto claim
		:: hit != NONE && OWNER(seen) == 0 -> answer_duplicate(); goto next
		:: hit != NONE && OWNER(seen) != 0 -> at = NONE; old = 0; goto wait
		fi
	}

	/* Without a claim: for the word that was seen to change. */
wait:	if
	:: atomic {
		word[hit] != seen ->
#ifdef VANISHED_IS_DUPLICATE
		answer_duplicate();
		goto next;
#endif
		hit = NONE; seen = 0;
		goto look_up
	}
	OR_RUN_OUT(next)		/* retry */
	fi;

claim:	skip;
#ifdef PUT_BEFORE_CLAIM
	put();
#endif
#ifndef NOTE_LATE
	note();
#endif
	swap();
swapped:
	skip;
#ifdef PUT_BEFORE_CLAIM
	goto settle;
#endif
#ifdef NOTE_LATE
	note();
#endif
#ifdef NO_RESCAN
	goto ready;
#endif

rescan:	atomic {
		rescan_at();
		i++;
		if
		:: i < NS -> goto rescan
		:: else
		fi;
		i = 0;
		if
		:: hit == NONE -> goto ready
		:: hit != NONE && OWNER(seen) == 0 -> answer_duplicate(); goto release
#if defined(BOTH_KEEP)
		:: hit != NONE && OWNER(seen) != 0 -> goto ready
#elif defined(BOTH_WAIT)
		:: hit != NONE && OWNER(seen) != 0 -> goto keep
#elif defined(BOTH_WITHDRAW)
		:: hit != NONE && OWNER(seen) != 0 -> goto withdraw
#else
		:: hit != NONE && OWNER(seen) != 0 && OWNER(seen) < me -> goto withdraw
		:: hit != NONE && OWNER(seen) > me -> goto keep
#endif
		fi
	}

withdraw:
	store(0);
	at = NONE;
	goto wait;

	/* With the claim held. */
keep:	if
	:: atomic {
		word[hit] != seen ->
#ifdef WATCH_ONE
		if
		:: KEY(word[hit]) != key -> hit = NONE; seen = 0; goto ready
		:: else
		fi;
#endif
		hit = NONE; seen = 0;
		goto rescan
	}
	OR_RUN_OUT(release)		/* retry */
	fi;

ready:	skip;
#ifdef SETTLE_BEFORE_PUT
	store(SETTLED(key));
	put();
	goto next;
#endif
	if
	:: true
#ifndef NO_FAIL
	:: true ->			/* the put fails: retry */
#ifdef CLAIM_KEPT
		goto next
#else
		goto release
#endif
#endif
	fi;
	put();
settle:	skip;
#ifdef NOTE_EARLY
	/* The next event's note has moved up over this settle. */
	if
	:: left[me] > 0 -> note_slot[me] = (at + 1) % NS
	:: true
	fi;
#endif
	store(SETTLED(key));
	goto next;

release:
	store(0);
	goto next;

	/* A successor, under the slot's lock, before it does anything else. */
killed:	atomic {
		forget();
		if
		:: note_slot[me] == NONE -> goto next
		:: else
		fi;
		at = note_slot[me];
		key = note_key[me]
	}
#ifdef SUCCESSOR_PUTS_FIRST
	tail[me]++;
#endif
	if
	:: atomic {
		word[at] == CLAIM(key) && tail[me] > note_pos[me] ->
#ifdef SUCCESSOR_FREES
		word[at] = 0
#else
		word[at] = SETTLED(key)
#endif
	}
	:: atomic {
		word[at] == CLAIM(key) && tail[me] <= note_pos[me] ->
#ifdef SUCCESSOR_SETTLES
		word[at] = SETTLED(key)
#else
		word[at] = 0
#endif
	}
	:: word[at] != CLAIM(key)
	OR_DIE
	fi;
	goto next;
end:	ended++
}

#ifdef WEAK_ORDER
proctype drain()
{
end_drain:
	do
	:: atomic { !VISIBLE(0) -> word[0] = buffered[0]; buffered[0] = 0 }
#if NS > 1
	:: atomic { !VISIBLE(1) -> word[1] = buffered[1]; buffered[1] = 0 }
#endif
#if NS > 2
	:: atomic { !VISIBLE(2) -> word[2] = buffered[2]; buffered[2] = 0 }
#endif
	od
}
#endif

init {
	byte s;

	atomic {
		for (s : 1 .. NA) {
			left[s] = NE;
			note_slot[s] = NONE
		}
		for (s : 1 .. NA) {
			run acceptor(s)
		}
#ifdef WEAK_ORDER
		run drain();
#endif
		s = 0
	}
	ended == NA;
	atomic {
		for (s : 0 .. NS - 1) {
			assert(VISIBLE(s) && OWNER(word[s]) == 0)
		}
	}
}
