# What run.sh stands on: private servers, pinned; CPU and memory of processes;
# medians; the table.

bench_begin() {
	for tool in $bin/bench_ring $bin/bench_batch $bin/bench_sync $bin/bench_latency \
		build/release/sluiced; do
		[ -x "$tool" ] || { echo "$tool is not built: run make bench" >&2; exit 1; }
	done
	mkdir -p "${BENCH_DIR:-build}"
	dir=$(mktemp -d "$(cd "${BENCH_DIR:-build}" && pwd)/bench.XXXXXX")
	if [ -w /dev/shm ]; then
		runtime=$(mktemp -d /dev/shm/sluice-bench.XXXXXX)
	else
		runtime=$dir/run
		mkdir "$runtime"
	fi
	notes=$dir/notes
	: >"$notes"
	sluice_pid= nginx_pid= nginx_pids= sluice_pids=
	trap bench_end EXIT
	trap 'exit 1' INT TERM HUP
	on_server= on_load= pinned="not pinned: one processor only"
	if [ "$(nproc)" -gt 1 ] && command -v taskset >/dev/null; then
		on_server="${BENCH_PREFIX:-} taskset -c 0"
		on_load="${BENCH_PREFIX:-} taskset -c 1"
		pinned="all server processes on processor 0, all load on processor 1"
	fi
	# Keys of one run differ from those of another: 13 digits, a thousand
	# million for each piece.
	base_number=0
	port=$(free_port 21000)
	admin_port=$(free_port $((port + 1)))
	nginx_port=$(free_port $((admin_port + 1)))
}

bench_end() {
	nginx_stop
	sluice_stop
	rm -rf "$dir" "$runtime"
}

die() { echo "bench: $*" >&2; exit 1; }
skip() { echo "SKIP $*" >&2; echo "SKIP $*" >>"$dir/skipped"; }

next_base() {
	# Called in a subshell, so the number is kept in a file.
	echo x >>"$dir/bases"
	echo $((1000000000000 + $(wc -l <"$dir/bases") * 1000000000))
}

free_port() {
	p=$1
	while curl -s -o /dev/null --max-time 1 "http://127.0.0.1:$p/" || [ $? -ne 7 ]; do
		p=$((p + 1))
	done
	echo $p
}

note() { echo "$1 $2" >>"$notes"; }
word_after() { awk -v w="$1" '{ for (i = 1; i < NF; i++) if ($i == w) { print $(i + 1); exit } }' "$2"; }

median() {
	awk -v n="$1" '$1 == n { print $2 }' "$notes" | sort -g |
		awk '{ v[NR] = $1 } END { if (NR) print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

# The time on a processor, in ns, of each pid with its threads: what the
# scheduler counted, so that short turns are not lost between ticks of a clock.
cpu_of() {
	for p in $1; do
		echo "$p $(cat /proc/"$p"/task/*/schedstat | awk '{ s += $1 } END { print s }') \
			$(tr '\0' ' ' <"/proc/$p/cmdline")"
	done
}
cpu_mark() { cpu_pids=$1; cpu_of "$1" >"$dir/cpu.before"; }
cpu_since() { cpu_of "$cpu_pids" >"$dir/cpu.after"; }

# $1 name, $2 events, $3 seconds: microseconds an event in all and by process
note_cpu() {
	awk -v name="$1" -v n="$2" -v s="$3" '
	NR == FNR { before[$1] = $2; next }
	{
		ns = $2 - before[$1]
		sum += ns
		role = /journal/ ? "journal" : /http|worker/ ? "acceptor" : "others"
		part[role] += ns
	}
	END {
		printf "%s.cpu_us %.3f\n", name, sum / n / 1e3
		printf "%s.busy %.0f\n", name, sum / s / 1e7
		for (role in part)
			printf "%s.%s_us %.3f\n", name, role, part[role] / n / 1e3
	}' "$dir/cpu.before" "$dir/cpu.after" >>"$notes"
}

memory_kib() { for p in $2; do awk -v w="$1:" '$1 == w { print $2 }' "/proc/$p/smaps_rollup"; done | awk '{ s += $1 } END { print s + 0 }'; }
private_kib() { for p in $1; do awk '/^Private_(Clean|Dirty):/ { print $2 }' "/proc/$p/smaps_rollup"; done | awk '{ s += $1 } END { print s + 0 }'; }

# Until the command succeeds; a bound on everything.
wait_until() {
	tries=0
	until "$@" >/dev/null 2>&1; do
		tries=$((tries + 1))
		[ $tries -lt 200 ] || return 1
		sleep 0.05
	done
}

fill_in() {
	sed -e "s,@DIR@,$dir,g" -e "s,@RUNTIME@,$runtime,g" -e "s,@PORT@,$2,g" \
		-e "s,@ADMIN@,$admin_port,g" -e "s,@TABLE@,${3:-64m},g" "test/bench/$1"
}

children_of() { cat /proc/"$1"/task/*/children; }

# $1: size of the dedup table
sluice_start() {
	rm -rf "$dir/state" "$runtime"
	mkdir -p "$dir/state" "$runtime"
	fill_in sluice.conf.in "$port" "$1" >"$dir/sluice.conf"
	$on_server build/release/sluiced -c "$dir/sluice.conf" 2>"$dir/sluice.log" &
	sluice_pid=$!
	wait_until curl -sf "http://127.0.0.1:$port/health" ||
		die "sluiced is not ready: $(tail -5 "$dir/sluice.log")"
	sluice_pids="$sluice_pid $(children_of $sluice_pid)"
}

sluice_stop() {
	[ -n "$sluice_pid" ] || return 0
	kill "$sluice_pid" 2>/dev/null || :
	wait "$sluice_pid" || :
	sluice_pid=
	rm -rf "$dir/state"
}

# The ledger of all that was sent: nothing but puts (and, where the disk was too
# slow, retries).
sluice_check() {
	[ -x build/release/sluicectl ] || return 0
	build/release/sluicectl --runtime-dir "$runtime" --state-dir "$dir/state" ledger \
		>"$dir/ledger" || die "sluicectl ledger: $(cat "$dir/ledger")"
	awk '/^total/ && $5 + $6 == 0 && $NF == "balanced" { ok = 1 } END { exit !ok }' \
		"$dir/ledger" || die "not every key was fresh: $(cat "$dir/ledger")"
}

nginx_start() {
	nginx=$(PATH=$PATH:/usr/sbin command -v nginx) || return 1
	fill_in nginx.conf.in "$nginx_port" >"$dir/nginx.conf"
	$on_server "$nginx" -p "$dir" -c "$dir/nginx.conf" 2>"$dir/nginx.err" &
	nginx_pid=$!
	wait_until curl -sf "http://127.0.0.1:$nginx_port/" || die "nginx: $(cat "$dir/nginx.err")"
	nginx_pids="$nginx_pid $(children_of $nginx_pid)"
}

nginx_stop() {
	[ -n "$nginx_pid" ] || return 0
	kill "$nginx_pid" 2>/dev/null || :
	wait "$nginx_pid" || :
	nginx_pid=
}

# value of a note, or "-"
val() { v=$(median "$1"); echo "${v:--}"; }
# a / b with two digits
ratio() { awk -v a="$(median "$1")" -v b="$(median "$2")" 'BEGIN { if (a == "" || b == "" || b == 0) print "-"; else printf "%.2f\n", a / b }'; }

processor() { sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1; }

bench_table() {
	echo
	echo "Measured on $(date -u +%Y-%m-%d): $(processor), $(nproc) processors, Linux $(uname -r | cut -d- -f1);"
	[ -z "${BENCH_PREFIX:-}" ] || pinned="all under \`$BENCH_PREFIX\`, $pinned"
	echo "$pinned; each piece ${seconds} s, median of ${rounds}."
	[ ! -e "$dir/skipped" ] || sed 's/^/* /' "$dir/skipped"
	echo
	if wants ring; then
		echo "| Ring alone, frames of $(val ring.frame_bytes) bytes | ns a frame |"
		echo "|---|---|"
		echo "| reserve and publish, no bytes | $(val ring.publish_ns) |"
		echo "| put: header, copy, CRC, publish | $(val ring.put_ns) |"
		echo "| drain as the journal does: walk, copy | $(val ring.drain_ns) |"
		echo "| put and drain, one processor | $(val ring.both_ns) |"
		echo "| put and drain, one processor each | $(val ring.apart_ns) |"
		echo
	fi
	if wants single; then
		echo "| Single POST, 256 connections | requests/s | of nginx's rate | aim | CPU µs a request | of nginx's CPU | aim | acceptor | journal | others |"
		echo "|---|---|---|---|---|---|---|---|---|---|"
		echo "| nginx, \`return 202\` | $(val nginx.rate) | 1 | | $(val nginx.cpu_us) | 1 | | | | |"
		for ack in memory durable; do
			aim_rate="≥ 0.8"; aim_cpu="≤ 1.10"
			[ $ack = memory ] || { aim_rate="≥ 0.6"; aim_cpu="≤ 1.35"; }
			s=single.$ack
			echo "| Sluice, \`$ack\` | $(val $s.rate) | $(ratio $s.rate nginx.rate) | $aim_rate | $(val $s.cpu_us) | $(ratio $s.cpu_us nginx.cpu_us) | $aim_cpu | $(val $s.acceptor_us) | $(val $s.journal_us) | $(val $s.others_us) |"
		done
		echo
	fi
	if wants batch; then
		echo "| Batches of 1000, dedup table 256 MiB | events/s | CPU µs an event | aim | acceptor | journal | others |"
		echo "|---|---|---|---|---|---|---|"
		for s in batch.ndjson.memory batch.array.memory batch.ndjson.durable; do
			case $s in *ndjson.memory) aim="≤ 0.7" ;; *array.memory) aim="≤ 0.9" ;; *) aim= ;; esac
			echo "| $(echo $s | sed 's/batch\.\(.*\)\.\(.*\)/\1, `\2`/; s/ndjson/NDJSON/') | $(val $s.rate) | $(val $s.cpu_us) | $aim | $(val $s.acceptor_us) | $(val $s.journal_us) | $(val $s.others_us) |"
		done
		echo
	fi
	if wants latency; then
		echo "| Durable answer, $(val latency.rate) events/s (half load) | p50 µs | p99 µs | p99.9 µs |"
		echo "|---|---|---|---|"
		echo "| bare write and fdatasync, 512 bytes | $(val sync.p50) | $(val sync.p99) | $(val sync.p999) |"
		echo "| the load's own lateness | | $(val latency.late_p99) | |"
		echo "| Sluice, from due to answered | $(val latency.p50) | $(val latency.p99) | $(val latency.p999) |"
		echo "| aim: 2 × the bare p99 + 500 µs | | $(awk -v v="$(val sync.p99)" 'BEGIN { printf "≤ %.1f", 2 * v + 500 }') | |"
		echo
	fi
	if wants memory; then
		echo "| Memory of all processes, ring 64m, table 64m | proportional MiB | private MiB |"
		echo "|---|---|---|"
		for s in idle loaded; do
			echo "| $s | $(mib memory.${s}_kib) | $(mib memory.${s}_private_kib) |"
		done
		echo
	fi
	if wants sinks; then
		echo "| To the other end, one acceptor, everything on the same processors | put, events/s | delivered, events/s | catching up, events/s | CPU µs an event in the sinks |"
		echo "|---|---|---|---|---|"
		for s in redis clickhouse kafka; do
			echo "| $s | $(val sinks.$s.sent) | $(val sinks.$s.live) | $(val sinks.$s.catch_up) | $(val sinks.$s.${s}_us) |"
		done
		echo "| all three at once | $(val sinks.all.sent) | $(val sinks.all.live) | | $(val sinks.all.redis_us), $(val sinks.all.clickhouse_us), $(val sinks.all.kafka_us) |"
		echo
	fi
}

mib() { awk -v k="$(median "$1")" 'BEGIN { printf "%.1f", k / 1024 }'; }
