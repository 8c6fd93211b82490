#!/bin/sh
# SPDX-License-Identifier: ISC
#
# Checks every model and every mutant of it with spin; see README.md.
#
#	run.sh [-j JOBS] [WORD]		only the rows that contain WORD
#
# One line a run.  Exit status 0: every model holds and every mutant is caught
# for the reason the table names.  Needs spin and a C compiler; works in a
# directory of its own and leaves nothing behind.
set -u

here=$(cd "$(dirname "$0")" && pwd) || exit 1

# model | name | spin's definitions | what must come out
#	holds			no error in any state
#	progress		and no cycle without progress
#	PATTERN			an error that matches, which is how a mutant is caught
rows() {
	cat <<'ROWS'
claim|two acceptors, two deaths|-DNE=2 -DKILLS=2|holds
claim|three acceptors, a death|-DNA=3 -DNS=3|holds
claim|a full bucket evicts, a death|-DNE=2 -DNS=1 -DNK=2|holds
claim|three acceptors, two keys in two slots|-DNA=3 -DNK=2 -DKILLS=0|holds
claim|nobody waits or starts over for ever|-DPATIENT -DNA=3 -DNS=3 -DKILLS=0|progress
claim|mutant NO_RESCAN|-DNE=2 -DNO_RESCAN|known
claim|mutant WEAK_ORDER|-DNE=2 -DWEAK_ORDER|known
claim|mutant PUT_BEFORE_CLAIM|-DNE=2 -DPUT_BEFORE_CLAIM|known
claim|mutant SETTLE_BEFORE_PUT|-DNE=2 -DSETTLE_BEFORE_PUT|puts
claim|mutant CLAIM_KEPT|-DNE=2 -DCLAIM_KEPT|word.s.
claim|mutant BOTH_KEEP|-DNE=2 -DBOTH_KEEP|known
claim|mutant BOTH_WAIT|-DPATIENT -DNO_FAIL -DKILLS=0 -DBOTH_WAIT|invalid end state
claim|both may withdraw: never twice|-DNE=2 -DBOTH_WITHDRAW|holds
claim|mutant BOTH_WITHDRAW, for ever|-DPATIENT -DNO_FAIL -DKILLS=0 -DBOTH_WITHDRAW|non-progress
claim|mutant WATCH_ONE|-DPATIENT -DNO_FAIL -DNA=3 -DNS=3 -DKILLS=0 -DWATCH_ONE|known
claim|mutant VANISHED_IS_DUPLICATE|-DNE=2 -DVANISHED_IS_DUPLICATE|puts
claim|mutant NOTE_LATE|-DNE=2 -DNOTE_LATE|word.s.
claim|mutant NOTE_EARLY|-DNE=2 -DNOTE_EARLY|word.s.
claim|mutant SUCCESSOR_PUTS_FIRST|-DNE=2 -DSUCCESSOR_PUTS_FIRST|puts
claim|mutant SUCCESSOR_FREES|-DNE=2 -DSUCCESSOR_FREES|known
claim|mutant SUCCESSOR_SETTLES|-DNE=2 -DSUCCESSOR_SETTLES|puts
claim|mutant VICTIM_READ_AGAIN|-DNE=2 -DNS=1 -DNK=2 -DKILLS=0 -DVICTIM_READ_AGAIN|old>>2
claim|mutant EVICT_LIVE|-DNE=2 -DNS=1 -DNK=2 -DKILLS=0 -DEVICT_LIVE|old&3
ring|the guest, a death or a frame given up|-DJOURNAL_AT_ONCE|holds
ring|the journal, two deaths on either side|-DNO_GUEST -DTROUBLE=2 -DJOURNAL_KILLS=2 -DEND=6|holds
ring|mutant PUBLISH_BEFORE_COPY, journal|-DNO_GUEST -DPUBLISH_BEFORE_COPY|cell
ring|mutant PUBLISH_BEFORE_COPY, guest|-DJOURNAL_AT_ONCE -DPUBLISH_BEFORE_COPY|frame
ring|mutant RELAXED_TAIL|-DNO_GUEST -DRELAXED_TAIL|cell
ring|mutant CLAIMED_RESET|-DJOURNAL_AT_ONCE -DCLAIMED_RESET|body
ring|mutant NO_CLAIMED|-DJOURNAL_AT_ONCE -DNO_CLAIMED|body
ring|mutant NO_FENCE|-DJOURNAL_AT_ONCE -DNO_FENCE|body
ring|mutant GATE_IGNORED|-DNO_GUEST -DGATE_IGNORED|cell
ring|mutant GATE_EARLY|-DNO_GUEST -DGATE_EARLY|cell|logged
ring|mutant GUEST_ASKS_FIRST|-DJOURNAL_AT_ONCE -DGUEST_ASKS_FIRST|body
ring|mutant GUEST_TRUSTS|-DJOURNAL_AT_ONCE -DGUEST_TRUSTS|body
durable|two events, a death, a roll, a failed fsync|-DKILLS=1|holds
durable|one event, two deaths, a roll, a failed fsync|-DEVENTS_A=1 -DKILLS=2|holds
durable|mutant DUP_AT_ONCE|-DDUP_AT_ONCE|told
durable|mutant DUP_OWN_TAIL|-DDUP_OWN_TAIL|told
durable|mutant TAILS_BEFORE_LOOKUP|-DTAILS_BEFORE_LOOKUP|told
durable|mutant ACK_BEFORE_FSYNC|-DACK_BEFORE_FSYNC|durable
durable|mutant CURSOR_BEFORE_END|-DCURSOR_BEFORE_END|durable
durable|mutant END_IN_TWO_STORES|-DEND_IN_TWO_STORES|durable
durable|mutant FSYNC_AGAIN|-DFSYNC_AGAIN|newest
durable|mutant WRITE_TWICE|-DWRITE_TWICE|newest
durable|mutant GAP_IS_DURABLE|-DGAP_IS_DURABLE|gap
sinks|two events, two deaths, a power cut|-DKILLS=2|holds
sinks|three events, a power cut|-DN=3 -DKILLS=0|holds
sinks|mutant CURSOR_FIRST|-DCURSOR_FIRST|foreign
sinks|mutant LENGTH_FIRST|-DLENGTH_FIRST|foreign
sinks|mutant CHECKPOINT_FIRST|-DCHECKPOINT_FIRST|foreign
sinks|mutant RECORD_UNSYNCED|-DRECORD_UNSYNCED|s_ck
sinks|mutant NOTICE_LATE|-DNOTICE_LATE|noticed
ROWS
}

bad() {
	echo "NOT OK $model: $name: $1"
	exit 1
}

# One row, in a directory of its own below $work.
check() {
	IFS='|' read -r model name defs want <<ROW
$1
ROW
	safety=-DSAFETY search=
	case $want in
	progress | non-progress) safety=-DNP search=-l ;;
	esac
	dir=$(mktemp -d "$work/XXXXXX") && cd "$dir" || exit 1
	# shellcheck disable=SC2086 # the definitions are words
	spin -a $defs "$here/$model.pml" >spin.out 2>&1 || bad "spin: $(head -n 1 spin.out)"
	${CC:-cc} -O1 -w $safety -DCOLLAPSE -DMEMLIM=1500 -o pan pan.c >cc.out 2>&1 ||
	    bad "compiler: $(head -n 1 cc.out)"
	./pan $search -m1000000 >pan.out 2>&1
	error=$(grep '^pan:1: ' pan.out | head -n 1)
	states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' pan.out)
	cd "$work" && mv "$dir/pan.out" "$dir.out" && rm -r "$dir"
	case $want in
	holds | progress)
		grep -q 'errors: 0$' "$dir.out" || bad "${error:-no result}"
		grep -Eq 'reached -DMEMLIM|too small|out of memory|truncated' "$dir.out" &&
		    bad "the search was not complete"
		echo "ok $model: $name: holds (states $states)"
		;;
	*)
		[ -n "$error" ] || bad "survived (states $states)"
		echo "$error" | grep -Eq "$want" || bad "caught, but not for /$want/: $error"
		echo "ok $model $name: caught"
		;;
	esac
}

if [ "${1-}" = --row ]; then
	check "$2"
	exit 0
fi

jobs=2
if [ "${1-}" = -j ]; then
	jobs=$2
	shift 2
fi
for tool in spin "${CC:-cc}"; do
	command -v "$tool" >/dev/null 2>&1 || {
		echo "SKIP models: $tool is not installed"
		exit 0
	}
done
work=$(mktemp -d) || exit 1
export work
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

rows | grep -F -e "${1-}" >"$work/rows"
[ -s "$work/rows" ] || {
	echo "no such row: $1" >&2
	exit 64
}
tr '\n' '\0' <"$work/rows" | xargs -0 -n 1 -P "$jobs" "$0" --row
