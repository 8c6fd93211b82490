#!/bin/sh
# Measure Sluice on this machine: the ring alone, single events beside nginx,
# batches, durable latency beside the bare disk, memory.  Prints a table;
# with --write it also replaces the one in docs/PERFORMANCE.md.
# Fails only when something broke: a number is never a failure.
#
#   BENCH_SECONDS  length of each measured piece (default 4)
#   BENCH_RATE     events/s that batches are sent at (default 400000; halved while the
#                  disk cannot take it)
#   BENCH_ROUNDS   times each is measured; the median counts (default 3)
#   BENCH_DIR      where the log goes: a real disk (default: a new one in build/)
#   BENCH_PREFIX   put before each command, such as "chrt -f 1" on a machine that is
#                  not idle
#   BENCH_ONLY     words out of: ring single batch latency memory sinks (default: all)
set -eu
cd "$(dirname "$0")/../.."
. test/bench/lib.sh

seconds=${BENCH_SECONDS:-4}
rounds=${BENCH_ROUNDS:-3}
only=${BENCH_ONLY:-ring single batch latency memory sinks}
data=$PWD/test/data/clickstream.ndjson
bin=build/release/bench
write=false
[ "${1:-}" = --write ] && write=true

wants() { case " $only " in *" $1 "*) return 0 ;; esac; return 1; }

bench_begin

measure_ring() {
	$bin/bench_ring "$data" >"$dir/ring.out"
	for name in frame_bytes publish_ns put_ns drain_ns both_ns apart_ns; do
		note "ring.$name" "$(word_after $name "$dir/ring.out")"
	done
}

# wrk against a port: $1 what to note it under, $2 port, $3 query, $4 pids of the
# server, $5 seconds
wrk_run() {
	cpu_mark "$4"
	$on_load wrk -t1 -c256 -d"${5:-$seconds}s" --timeout 10s -s test/bench/single.lua \
		"http://127.0.0.1:$2/events$3" -- "$data" "$(next_base)" >"$dir/wrk.out" 2>&1 ||
		die "wrk: $(cat "$dir/wrk.out")"
	cpu_since
	grep '^requests ' "$dir/wrk.out" >"$dir/wrk.line"
	n=$(word_after requests "$dir/wrk.line")
	[ "$(word_after bad "$dir/wrk.line")" = 0 ] || die "wrk saw refusals: $(cat "$dir/wrk.out")"
	note "$1.rate" "$(word_after rate "$dir/wrk.line")"
	note_cpu "$1" "$n" "$(word_after seconds "$dir/wrk.line")"
}

measure_single() {
	if ! command -v wrk >/dev/null; then
		skip "single events: wrk is not installed"
		return
	fi
	nginx_start || skip "nginx is not installed: single events without their yardstick"
	sluice_start 128m
	[ -z "$nginx_pid" ] || wrk_run warm "$nginx_port" "?ack=memory" "$nginx_pids" 1
	wrk_run warm "$port" "?ack=memory" "$sluice_pids" 1
	for round in $(seq "$rounds"); do
		[ -z "$nginx_pid" ] || wrk_run nginx "$nginx_port" "?ack=memory" "$nginx_pids"
		wrk_run single.memory "$port" "?ack=memory" "$sluice_pids"
		[ -z "$nginx_pid" ] || wrk_run nginx "$nginx_port" "?ack=durable" "$nginx_pids"
		wrk_run single.durable "$port" "?ack=durable" "$sluice_pids"
	done
	nginx_stop
	sluice_check
	sluice_stop
}

# $1 what to note it under, $2 form, $3 ack, $4 seconds
batch_run() {
	while :; do
		cpu_mark "$sluice_pids"
		$on_load $bin/bench_batch --port "$port" --form "$2" --ack "$3" --rate "$rate" \
			--seconds "${4:-$seconds}" --base "$(next_base)" --data "$data" \
			>"$dir/batch.out" 2>"$dir/batch.err" && break
		# Only what the disk cannot carry away may be refused.
		[ "$(word_after retry "$dir/batch.out")" -gt 0 ] && [ "$rate" -gt 10000 ] ||
			die "batches: $(cat "$dir/batch.out" "$dir/batch.err")"
		rate=$((rate / 2))
		echo "bench: the disk cannot take it: batches at $rate events/s" >&2
		sleep 2
	done
	cpu_since
	note "$1.rate" "$(word_after rate "$dir/batch.out")"
	note_cpu "$1" "$(word_after events "$dir/batch.out")" "$(word_after seconds "$dir/batch.out")"
}

measure_batch() {
	rate=${BENCH_RATE:-400000}
	sluice_start 256m
	batch_run warm ndjson memory 3
	for round in $(seq "$rounds"); do
		batch_run batch.ndjson.memory ndjson memory
		batch_run batch.array.memory array memory
		batch_run batch.ndjson.durable ndjson durable
	done
	sluice_check
	sluice_stop
}

measure_latency() {
	sluice_start 128m
	if [ -z "$(median single.durable.rate)" ]; then
		command -v wrk >/dev/null || { skip "latency: wrk is not installed"; return; }
		wrk_run single.durable "$port" "?ack=durable" "$sluice_pids"
	fi
	half=$(awk -v r="$(median single.durable.rate)" 'BEGIN { printf "%d", r / 2 }')
	note latency.rate "$half"
	sync_run
	for round in $(seq "$rounds"); do
		$on_load $bin/bench_latency --port "$port" --rate "$half" --seconds "$seconds" \
			--sleep "$([ -z "${BENCH_PREFIX:-}" ] && echo no || echo yes)" \
			--base "$(next_base)" --data "$data" >"$dir/latency.out" ||
			die "durable answers were refused: $(cat "$dir/latency.out")"
		for name in late_p99 p50 p99 p999 max; do
			note "latency.$name" "$(word_after $name "$dir/latency.out")"
		done
		sync_run
	done
	sluice_check
	sluice_stop
}

sync_run() {
	$on_server $bin/bench_sync "$dir" 2 >"$dir/sync.out"
	for name in p50 p99 p999 max; do
		note "sync.$name" "$(word_after $name "$dir/sync.out")"
	done
}

measure_memory() {
	sluice_start 64m
	note memory.idle_kib "$(memory_kib Pss "$sluice_pids")"
	note memory.idle_private_kib "$(private_kib "$sluice_pids")"
	$on_load $bin/bench_batch --port "$port" --connections 16 --seconds 2 --rate 100000 \
		--base "$(next_base)" --data "$data" >"$dir/batch.out" ||
		die "batches were refused: $(cat "$dir/batch.out")"
	note memory.loaded_kib "$(memory_kib Pss "$sluice_pids")"
	note memory.loaded_private_kib "$(private_kib "$sluice_pids")"
	sluice_stop
}

# Redis, ClickHouse and Kafka at the other end, on the same processors.
measure_sinks() {
	python3 test/bench/sinks.py "$seconds" >"$dir/sinks.out" 2>"$dir/sinks.err" ||
		die "sinks: $(cat "$dir/sinks.err")"
	[ ! -s "$dir/sinks.err" ] || skip "$(head -n 1 "$dir/sinks.err")"
	cat "$dir/sinks.out" >>"$notes"
}

! wants ring || measure_ring
! wants single || measure_single
! wants batch || measure_batch
! wants latency || measure_latency
! wants memory || measure_memory
! wants sinks || measure_sinks

bench_table | tee "$dir/table.md"
if $write; then
	awk -v table="$dir/table.md" '
	/<!-- table:begin -->/ { print; while ((getline line < table) > 0) print line; inside = 1 }
	/<!-- table:end -->/ { inside = 0 }
	!inside || /<!-- table:begin -->/ && 0' docs/PERFORMANCE.md >"$dir/page.md"
	cp "$dir/page.md" docs/PERFORMANCE.md
fi
