#!/bin/bash
# How the daemon starts, what it refuses, and what it adopts.
. "$(dirname "$0")/../lib/supervisor.sh"

bad_config_says_everything_and_exits_78() {
	printf 'global\n    ring 3k\n    nonsense 1\nlisten a\n    processes 0\n    bind 127.0.0.1:1\n' >"$T/conf"
	"$idle" -n -c "$T/conf" >"$log" 2>&1
	check "exit code" [ $? -eq 78 ]
	check "ring" said 'conf:2: .*ring'
	check "nonsense" said 'conf:3: .*nonsense'
	check "processes" said 'conf:5: .*processes'
	"$idle" -c "$T/conf" >"$log" 2>&1
	check "the daemon refuses it as well" [ $? -eq 78 ]
}

check_prints_what_it_understood() {
	configure
	"$idle" -n -c "$T/conf" >"$log" 2>&1
	check "exit code" [ $? -eq 0 ]
	check "says so" said 'no errors'
	"$idle" -nv -c "$T/conf" >"$T/first" 2>&1
	check "exit code of -nv" [ $? -eq 0 ]
	"$idle" -n -v -c "$T/first" >"$T/second" 2>&1
	check "reads its own output" cmp -s "$T/first" "$T/second"
	check "nothing was made" [ ! -e "$T/state" ]
}

wrong_options_exit_64() {
	"$idle" -x >"$log" 2>&1
	check "unknown" [ $? -eq 64 ]
	check "says which" [ "$(cat "$log")" = "sluiced: unknown option -x: see sluiced -h" ]
	"$idle" --wrong >"$log" 2>&1
	check "unknown and long" [ $? -eq 64 ]
	check "says which" [ "$(cat "$log")" = "sluiced: unknown option --wrong: see sluiced -h" ]
	"$idle" -nc >"$log" 2>&1
	check "-c alone" [ $? -eq 64 ]
	check "says what it needs" [ "$(cat "$log")" = "sluiced: option -c needs a file: see sluiced -h" ]
	"$idle" -v >"$log" 2>&1
	check "-v alone" [ $? -eq 64 ]
	check "says so" said '^sluiced: option -v goes with -n only: see sluiced -h$'
	"$idle" word >"$log" 2>&1
	check "a word" [ $? -eq 64 ]
	check "says which" said '^sluiced: unknown argument word: see sluiced -h$'
	for option in -V --version; do
		"$idle" $option >"$log" 2>&1
		check "$option" [ $? -eq 0 ]
		check "$option prints it" said '^sluiced [0-9]'
	done
	for option in -h --help; do
		"$idle" $option >"$log" 2>&1
		check "$option" [ $? -eq 0 ]
		check "$option prints it" said '^usage: sluiced'
	done
}

unknown_user_exits_78() {
	configure "    user no-such-user-here
    group no-such-group-here"
	"$idle" -n -c "$T/conf" >"$log" 2>&1
	check "exit code" [ $? -eq 78 ]
	check "user" said 'no such user: no-such-user-here'
	check "group" said 'no such group: no-such-group-here'
}

check_names_files_that_cannot_be_read() {
	configure
	cat >>"$T/conf" <<-EOF
	sink k
	    kind kafka
	    server 127.0.0.1:1
	    user me
	    password-file $T/nothing
	    ca-file $T
	    option ssl.key.location $T/no-key
	    option ssl.ca.location probe
	sink r
	    kind route
	    server http://127.0.0.1:1/
	    secret-file $T/conf
	EOF
	"$idle" -n -c "$T/conf" >"$log" 2>&1
	check "exit code" [ $? -eq 78 ]
	check "the key and the file" said "conf: sink k: password-file: $T/nothing cannot be read: No such file"
	check "a folder" said "sink k: ca-file: $T cannot be read: Is a directory"
	check "a file of librdkafka's" said "sink k: option ssl.key.location: $T/no-key cannot be read"
	check "no more" [ "$(wc -l <"$log")" -eq 3 ]
}

start_has_titles_one_thread_and_modes() {
	configure
	start
	check "ready" wait_for is_ready
	check "title of the supervisor" [ "$(tr -d '\0' <"/proc/$sup/cmdline")" = "sluiced: supervisor" ]
	for name in 'http 0' 'http 1' journal admin; do
		check "title of $name" pid_of "$name" >/dev/null
		check "name of $name" [ "$(cat "/proc/$(pid_of "$name")/comm")" = "$name" ]
	done
	check "one thread" [ "$(ls "/proc/$sup/task" | wc -l)" -eq 1 ]
	check "instance is secret" [ "$(stat -c %a "$T/state/instance")" = 600 ]
	check "runtime-dir" [ "$(stat -c %a "$T/run")" = 750 ]
	check "stats.sock" [ "$(stat -c %a "$T/run/stats.sock")" = 660 ]
	check "a stage's socket" [ "$(stat -c %a "$T/run/stage/http-0.sock")" = 660 ]
	check "it serves" serves
	check "listeners are closed in the journal" [ "$(find "/proc/$(pid_of journal)/fd" -lname 'socket:*' | wc -l)" -le 4 ]
	check "stop" stop
}

second_supervisor_is_refused_with_the_pid() {
	configure
	start
	check "ready" wait_for is_ready
	"$idle" -c "$T/conf" >"$T/second" 2>&1
	check "exit code" [ $? -eq 1 ]
	check "one line with the pid" [ "$(grep -c "another sluiced works here: pid=$sup" "$T/second")" = 1 ]
	check "one line" [ "$(wc -l <"$T/second")" -eq 1 ]
	sed "s|$T/run|$T/run2|" "$T/conf" >"$T/conf2"
	"$idle" -c "$T/conf2" >"$T/second" 2>&1
	check "exit code with the same state" [ $? -eq 1 ]
	check "the state has a lock too" grep -q "state/sluiced.lock: another sluiced" "$T/second"
	check "the first one goes on" serves
	check "stop" stop
}

taken_port_is_one_line() {
	configure
	socat "TCP-LISTEN:$port,bind=127.0.0.1" - >/dev/null 2>&1 </dev/null &
	other=$!
	wait_for grep -q "$(printf '0100007F:%04X' "$port")" /proc/net/tcp
	start
	wait "$sup"
	check "exit code" [ $? -eq 1 ]
	check "names it" said "cannot listen on 127.0.0.1:$port: Address already in use"
	check "the line has a time" said '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{3}Z error: supervisor: cannot listen'
	check "no instance was made" [ ! -e "$T/state/instance" ]
	check "no region was made" [ ! -e "$T/run/region" ]
	kill "$other" 2>/dev/null
}

stale_unix_socket_is_replaced() {
	configure "" "    bind unix:$T/http.sock
    bind-mode 0600"
	python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$T/http.sock"
	start
	check "ready" wait_for is_ready
	check "mode" [ "$(stat -c %a "$T/http.sock")" = 600 ]
	check "serves" eval 'socat -t 2 - "UNIX-CONNECT:$T/http.sock" </dev/null | grep -q "^http "'
	check "stop" stop
	check "removed" [ ! -e "$T/http.sock" ]
	touch "$T/http.sock"
	start
	wait "$sup"
	check "a file is not removed" [ $? -eq 1 ]
	check "and is still there" [ -f "$T/http.sock" ]
}

clean_stop_keeps_the_region() {
	configure
	start
	check "ready" wait_for is_ready
	check "made" said 'made a new region: generation=1'
	stop
	check "exit code" [ $? -eq 0 ]
	check "region is there" [ -e "$T/run/region/region" ]
	check "stats.sock is not" [ ! -e "$T/run/stats.sock" ]
	: >"$log"
	start
	check "ready" wait_for is_ready
	check "not made anew" no said 'made a new region'
	check "no heir" no said 'in disorder'
	check "generation" grep -q '^generation 1$' "$T/state/instance"
	check "stop" stop
}

new_sizes_make_a_new_region_after_a_clean_stop() {
	configure
	start
	check "ready" wait_for is_ready
	stop
	sed -i 's/ring 64k/ring 128k/' "$T/conf"
	: >"$log"
	start
	check "ready" wait_for is_ready
	check "made" said 'made a new region: generation=2 .*ring=128k'
	# Stopped first: a stage that sees it die before its own end lets go.
	kill -STOP "$sup"
	kill -KILL $(cat "/proc/$sup/task/$sup/children") "$sup"
	wait "$sup" 2>/dev/null
	sed -i 's/ring 128k/ring 256k/' "$T/conf"
	: >"$log"
	start
	check "ready" wait_for is_ready
	check "kept while in use" said 'keeping the old ones .*ring=128k'
	check "stop" stop
}

foreign_state_is_refused_and_R_gives_up() {
	configure
	start
	check "ready" wait_for is_ready
	stop
	mv "$T/state" "$T/state.1"
	start
	wait "$sup"
	check "no state: exit code" [ $? -eq 1 ]
	check "names the command" said 'do not belong together: .*sluiced -R'
	check "nothing was written" [ ! -e "$T/state/instance" ]
	cp -a "$T/state.1/." "$T/state"
	sed -i 's/^generation 1$/generation 9/' "$T/state/instance"
	: >"$log"
	start
	wait "$sup"
	check "other generation: exit code" [ $? -eq 1 ]
	check "names both" said 'generation 1, .*generation 9'
	: >"$log"
	start -R
	check "ready" wait_for is_ready
	check "made" said 'made a new region: generation=10'
	check "stop" stop
	printf 'uuid 12' >"$T/state/instance"
	: >"$log"
	start
	wait "$sup"
	check "cut short: exit code" [ $? -eq 1 ]
	check "cut short: says so" said 'not an instance file'
}

log_without_its_instance_is_refused() {
	configure
	mkdir -p "$T/state/journal"
	touch "$T/state/journal/00000001.log"
	for option in '' -R; do
		start $option
		wait "$sup"
		check "exit code $option" [ $? -eq 1 ]
		check "says what to do" said 'instance is missing, but .* has a log: restore'
		check "nothing was written" [ ! -e "$T/state/instance" ]
		: >"$log"
	done
}

R_is_refused_while_a_stage_is_alive() {
	configure
	start
	check "ready" wait_for is_ready
	stage=$(pid_of 'http 1')
	started+=("$stage")
	others="$(pid_of 'http 0') $(pid_of journal) $(pid_of admin)"
	kill -STOP "$stage"
	kill -KILL "$sup"
	wait "$sup" 2>/dev/null
	for p in $others; do
		check "stage $p ends by itself" wait_for is_gone "$p"
	done
	: >"$log"
	start -R
	wait "$sup"
	check "exit code" [ $? -eq 1 ]
	check "says who" said "a stage still works in the region: pid=$stage"
	kill -KILL "$stage"
}

privileges_are_dropped() {
	if [ "$(id -u)" -ne 0 ]; then
		echo "SKIP privileges_are_dropped: only root can change users"
		return
	fi
	configure "    user nobody"
	start
	check "ready" wait_for is_ready
	for name in 'http 0' 'http 1' journal admin; do
		check "$name: uid" [ "$(awk '/^Uid:/ { print $2 }' "/proc/$(pid_of "$name")/status")" = "$(id -u nobody)" ]
		check "$name: groups" [ "$(awk '/^Groups:/ { print NF - 1 }' "/proc/$(pid_of "$name")/status")" = 1 ]
	done
	[ "$(cat /proc/sys/fs/suid_dumpable)" = 1 ] ||
		check "no neighbour may trace it" [ "$(stat -c %U "/proc/$(pid_of admin)/environ")" = root ]
	check "cannot come back" eval 'ask admin who | grep -q "regain: -1"'
	old=$(pid_of 'http 0')
	kill -KILL "$old"
	check "restarts work" wait_for is_replaced 'http 0' "$old"
	check "page locks belong to the stages" [ "$(stat -c %U "$T"/run/region/page.0.lock)" = nobody ]
	check "slot locks too" [ "$(stat -c %U "$T"/run/region/slot.1.lock)" = nobody ]
	check "state belongs to us" [ "$(stat -c %U "$T/state")" = root ]
	check "journal belongs to them" [ "$(stat -c %U "$T/state/journal")" = nobody ]
	check "stop" stop
}

run bad_config_says_everything_and_exits_78
run check_prints_what_it_understood
run wrong_options_exit_64
run unknown_user_exits_78
run check_names_files_that_cannot_be_read
run start_has_titles_one_thread_and_modes
run second_supervisor_is_refused_with_the_pid
run taken_port_is_one_line
run stale_unix_socket_is_replaced
run clean_stop_keeps_the_region
run new_sizes_make_a_new_region_after_a_clean_stop
run foreign_state_is_refused_and_R_gives_up
run log_without_its_instance_is_refused
run R_is_refused_while_a_stage_is_alive
run privileges_are_dropped
finish
