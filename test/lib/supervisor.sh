# supervisor.sh - what the tests of the supervisor share; sourced, not run.
#
# Each test function runs in a fresh directory $T with its daemon and prints
# one line, `ok name` or `not ok name`.  The stages are those of sluiced_idle.
# shellcheck shell=bash disable=SC2034
set -u
cd "$(dirname "$0")/../.." || exit 1
build=$PWD/build/${MODE:-release}
idle=$build/lib/sluiced_idle
base=$(mktemp -d /dev/shm/sluice-test.XXXXXX)
chmod 0755 "$base"
passed=0 failed=0 failures=0 tests=0
started=()
trap 'for p in "${started[@]}"; do kill -KILL "$p" 2>/dev/null; done; rm -rf "$base"' EXIT

# A port that nobody has now.
free_port() {
	python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# A configuration in $T/conf; arguments are more lines for [global], [listen].
configure() {
	local global=${1:-} listen=${2:-}
	cat >"$T/conf" <<END
global
    state-dir $T/state
    runtime-dir $T/run
    ring 64k
    drain-time 2s
    hang-time ${hang_time:-1s}
    log-level debug
$global
listen public
    bind 127.0.0.1:$port
    max-event 8k
    max-body 8k
$listen
dedup
    table 64k
admin
    bind unix:$T/admin.sock
END
}

# start: the daemon in the background; $sup is its pid, $log its output.
start() {
	"$idle" -c "$T/conf" "$@" >>"$log" 2>&1 &
	sup=$!
	started+=("$sup")
}

# wait_for COMMAND...: until it succeeds; false after 10 s.
wait_for() {
	local i
	for ((i = 0; i < 1000; i++)); do
		"$@" >/dev/null 2>&1 && return 0
		sleep 0.01
	done
	echo "# waited in vain for: $*"
	return 1
}

said() { grep -qE -- "$1" "$log"; }
is_gone() { ! kill -0 "$1" 2>/dev/null || grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null; }
is_ready() { said 'ready: http on'; }
# times_said N PATTERN: at least so often
times_said() { [ "$(grep -cE -- "$2" "$log")" -ge "$1" ]; }

# ask NAME COMMAND: a line to a stage's socket.
ask() { echo "$2" | socat -t 8 - "UNIX-CONNECT:$T/run/stage/${1// /-}.sock" 2>/dev/null; }
info() { ask "$1" 'show info' | sed -n "s/^$2: //p"; }
# The pid of a stage, from its title; only children of this supervisor.
pid_of() {
	local p
	for p in $(cat "/proc/$sup/task/$sup/children"); do
		[ "$(tr -d '\0' <"/proc/$p/cmdline")" = "sluiced: $1" ] && echo "$p" && return 0
	done
	return 1
}
state_is() { [ "$(info "$1" state)" = "$2" ]; }
# Another process than pid $2 is ready under this name.
is_replaced() {
	local now
	now=$(info "$1" pid)
	[ -n "$now" ] && [ "$now" != "$2" ] && state_is "$1" ready
}
serves() { socat -t 2 - "TCP:127.0.0.1:$port" </dev/null | grep -q '^http '; }

# check TEXT COMMAND...: one thing of a test.
check() {
	local text=$1
	shift
	"$@" && return 0
	echo "# $text"
	failures=$((failures + 1))
}
no() { ! "$@"; }

stop() {
	kill -TERM "$sup"
	wait "$sup"
}

# run NAME: the function NAME with a fresh directory.
run() {
	tests=$((tests + 1))
	T=$base/$tests
	log=$T/log
	mkdir -p "$T"
	chmod 0755 "$T"
	port=$(free_port)
	failures=0
	"$1"
	if [ "$failures" -eq 0 ]; then
		passed=$((passed + 1))
		echo "ok $1"
	else
		failed=$((failed + 1))
		echo "not ok $1"
		[ -f "$log" ] && sed 's/^/#   /' "$log" | tail -n 40
	fi
	[ -n "${sup:-}" ] && kill -KILL "$sup" 2>/dev/null
}

finish() {
	echo "$passed passed, $failed failed"
	[ "$failed" -eq 0 ]
}
