#!/bin/bash
# run.sh [GROUP...] - run the tests, one line each, and count.
#
# Groups: lint unit asan tsan config model fuzz integration crash (all, in that
# order, when none is named).  Each test's output is kept in build/test-logs/.
# A test exits 0 (passed), 77 (skipped: its last line says why) or else failed.
set -u
cd "$(dirname "$0")/.."
logs=build/test-logs
mkdir -p "$logs"
passed=0 failed=0 skipped=0
failures=()

# run_one NAME COMMAND... - run one test; its result is kept beside its output.
run_one() {
	local log="$logs/${1//\//-}.log" start=$EPOCHREALTIME status
	shift
	"$@" >"$log" 2>&1 </dev/null
	status=$?
	awk -v s="$status" -v a="$start" -v b="$EPOCHREALTIME" \
		'BEGIN { printf "%d %.1f\n", s, b - a }' >"$log.result"
}

# tell NAME - one line about a test that has run, and the count.
tell() {
	local name=$1 log="$logs/${1//\//-}.log" status took
	read -r status took <"$log.result"
	rm -f "$log.result"
	# Tests that are many may say SKIP inside; count those too.
	local inner
	inner=$(grep -c '^SKIP ' "$log")
	case $status in
	0)
		passed=$((passed + 1))
		skipped=$((skipped + inner))
		echo "ok   $name (${took}s)$(tail -n 3 "$log" | grep -m1 -oE '[0-9]+%: Checks: [0-9]+|[0-9]+ passed' | sed 's/^/  /')"
		[ "$inner" -eq 0 ] || grep '^SKIP ' "$log" | sed 's/^/     /'
		;;
	77)
		skipped=$((skipped + 1))
		echo "SKIP $name: $(tail -n 1 "$log")"
		;;
	*)
		failed=$((failed + 1))
		failures+=("$name")
		echo "FAIL $name (status $status, ${took}s); the end of $log:"
		tail -n 40 "$log" | sed 's/^/     /'
		;;
	esac
}

# one NAME COMMAND... - run one test.
one() {
	run_one "$@"
	tell "$1"
}

# later NAME COMMAND..., then together - run tests side by side, as many as there are
# processors, and tell of them in order.  For those that use one processor and no clock.
queue=()
later() { queue+=("$(printf '%q ' "$@")"); }
together() {
	local words
	for words in "${queue[@]}"; do
		while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do wait -n; done
		eval "run_one $words" &
	done
	wait
	for words in "${queue[@]}"; do
		eval "set -- $words"
		tell "$1"
	done
	queue=()
}

group_lint() {
	local script
	for script in test/lint/*.sh; do
		later "lint/$(basename "$script" .sh)" "$script"
	done
	together
}

group_unit() {
	local program
	for program in build/release/test/test_*; do
		[ -x "$program" ] && [ "${program%.d}" = "$program" ] &&
			one "unit/$(basename "$program")" timeout 300 "$program"
	done
}

group_asan() {
	local program
	for program in build/asan/test/test_*; do
		[ -x "$program" ] && [ "${program%.d}" = "$program" ] &&
			one "asan/$(basename "$program")" env ASAN_OPTIONS=detect_leaks=0 \
				timeout 600 "$program"
	done
}

group_tsan() {
	local program
	for program in build/tsan/test/test_*_threads; do
		# The sanitizer needs its addresses where the kernel may not put them.
		one "tsan/$(basename "$program")" env CK_FORK=no TSAN_OPTIONS=halt_on_error=1 \
			timeout 600 setarch "$(uname -m)" -R "$program"
	done
}

group_config() {
	one config/cases test/config/run.sh
}

group_model() {
	one model/all test/model/run.sh
}

group_fuzz() {
	local program name seconds=${FUZZ_SECONDS:-20} work
	work=$(mktemp -d)
	for program in build/fuzz/fuzz/fuzz_*; do
		[ -x "$program" ] && [ "${program%.d}" = "$program" ] || continue
		name=$(basename "$program")
		mkdir -p "$work/$name"
		later "fuzz/$name" "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=4096 \
			-print_final_stats=1 -artifact_prefix="$logs/" "$work/$name" \
			"test/fuzz/corpus/${name#fuzz_}"
	done
	together
	rm -rf "$work"
}

group_integration() {
	local script
	for script in test/integration/*.sh; do
		[ -e "$script" ] && one "integration/$(basename "$script" .sh)" timeout 600 "$script"
	done
}

group_crash() {
	local script
	for script in test/crash/*.sh; do
		[ -e "$script" ] && one "crash/$(basename "$script" .sh)" timeout 900 "$script"
	done
}

[ $# -gt 0 ] || set -- lint unit asan tsan config model fuzz integration crash
for group; do
	echo "-- $group"
	"group_$group"
done
echo
[ "${#failures[@]}" -eq 0 ] || printf 'failed: %s\n' "${failures[*]}"
if [ "$skipped" -gt 0 ]; then
	echo "$passed passed, $failed failed, $skipped skipped"
else
	echo "$passed passed, $failed failed"
fi
[ "$failed" -eq 0 ]
