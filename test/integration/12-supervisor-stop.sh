#!/bin/bash
# How the daemon stops, and what it tells the service manager.
. "$(dirname "$0")/../lib/supervisor.sh"

# line_of PATTERN: where it stands in the log
line_of() { grep -nE -m1 -- "$1" "$log" | cut -d: -f1; }

stop_is_in_order() {
	configure
	start
	check "ready" wait_for is_ready
	stop
	check "exit code" [ $? -eq 0 ]
	for name in 'http 0' 'http 1' journal admin; do
		check "$name ended by itself" said "^[0-9T:.-]+Z supervisor: $name ended: pid=[0-9]* exit=0: stopping"
	done
	check "acceptors before the journal" [ "$(line_of 'http 1 ended')" -lt "$(line_of 'journal ended')" ]
	check "acceptors before the journal" [ "$(line_of 'http 0 ended')" -lt "$(line_of 'journal ended')" ]
	check "admin last" [ "$(line_of 'journal ended')" -lt "$(line_of 'admin ended')" ]
}

interrupt_of_the_whole_group_is_a_clean_stop() {
	configure
	set -m
	"$idle" -c "$T/conf" >>"$log" 2>&1 &
	sup=$!
	set +m
	started+=("$sup")
	check "ready" wait_for is_ready
	kill -INT -- "-$sup"
	kill -INT -- "-$sup" 2>/dev/null
	wait "$sup"
	check "exit code" [ $? -eq 0 ]
	check "stages ended by themselves" [ "$(grep -c 'exit=0: stopping' "$log")" = 4 ]
}

hangup_changes_nothing() {
	configure
	start
	check "ready" wait_for is_ready
	kids=$(cat "/proc/$sup/task/$sup/children")
	kill -HUP "$sup" $kids
	check "says so" wait_for said 'SIGHUP: reload comes with a later release'
	check "same stages" [ "$(cat "/proc/$sup/task/$sup/children")" = "$kids" ]
	check "serves" serves
	check "stop" stop
}

stage_that_does_not_end_is_killed_after_drain_time() {
	hang_time=1h configure
	start
	check "ready" wait_for is_ready
	kill -STOP "$(pid_of 'http 0')"
	stop
	check "exit code" [ $? -eq 0 ]
	check "killed" said 'http 0 is not done after drain-time'
	check "journal is not killed" said 'journal ended: .*exit=0'
	check "its slot gets an heir" said 'heir 0: stream put in order'
	check "all in order" said 'supervisor: stopped$'
}

blocked_stage_is_waited_for() {
	hang_time=1h configure
	start
	check "ready" wait_for is_ready
	ask journal nap &
	sleep 0.2
	stop
	check "exit code" [ $? -eq 0 ]
	check "waited" said 'journal is blocked: .*waiting with it'
	check "it ended by itself" said 'journal ended: .*exit=0: stopping'
}

killed_journal_is_back_while_acceptors_drain() {
	hang_time=1h configure
	start
	check "ready" wait_for is_ready
	kill -STOP "$(pid_of 'http 0')"
	old=$(pid_of journal)
	kill -TERM "$sup"
	wait_for said 'http 1 ended'
	kill -KILL "$old"
	check "back" wait_for said "journal died .*pid=$old .*starting it again"
	wait "$sup"
	check "exit code" [ $? -eq 0 ]
	check "and ends in its turn" said 'journal ended: .*exit=0: stopping'
}

# receive ADDRESS: what is sent to a notify socket, into $T/notify
receive() {
	socat -u "$1" "OPEN:$T/notify,creat,append" &
	receiver=$!
	started+=("$receiver")
}
notified() { grep -qE -- "$1" "$T/notify"; }

protocol() {
	configure
	export WATCHDOG_USEC=400000
	start
	unset NOTIFY_SOCKET WATCHDOG_USEC
	check "ready" wait_for notified '^READY=1$'
	check "pid" wait_for notified "^MAINPID=$sup\$"
	check "status" wait_for notified '^STATUS=4 of 4 stages ready$'
	check "watchdog" wait_for notified '^WATCHDOG=1$'
	check "stages know nothing of it" no grep -q NOTIFY_SOCKET "/proc/$(pid_of admin)/environ"
	: >"$T/notify"
	kill -KILL "$(pid_of 'http 1')"
	check "numbers" wait_for notified '^STATUS=3 of 4 stages ready; restarting http 1$'
	check "and back" wait_for notified '^STATUS=4 of 4 stages ready$'
	: >"$T/notify"
	kill -STOP "$sup"
	sleep 0.1
	: >"$T/notify"
	sleep 0.6 # three times what the watchdog is fed in
	check "a supervisor that stands still feeds no watchdog" no notified WATCHDOG
	kill -CONT "$sup"
	check "goes on" wait_for notified '^WATCHDOG=1$'
	kill -TERM "$sup"
	check "stopping" wait_for notified '^STOPPING=1$'
	wait "$sup"
	check "exit code" [ $? -eq 0 ]
	kill "$receiver"
}

notify_by_path() {
	receive "UNIX-RECV:$T/sock"
	wait_for [ -S "$T/sock" ]
	export NOTIFY_SOCKET=$T/sock
	protocol
}

notify_by_abstract_name() {
	receive "ABSTRACT-RECV:sluice-test-$$"
	wait_for grep -q "@sluice-test-$$" /proc/net/unix
	export NOTIFY_SOCKET=@sluice-test-$$
	protocol
}

not_ready_is_not_told() {
	receive "UNIX-RECV:$T/sock"
	wait_for [ -S "$T/sock" ]
	configure
	export NOTIFY_SOCKET=$T/sock
	IDLE_SLOW=admin start
	unset NOTIFY_SOCKET
	check "three" wait_for notified '^STATUS=3 of 4 stages ready; starting admin$'
	check "time is asked for" wait_for notified '^EXTEND_TIMEOUT_USEC='
	check "not ready" no notified READY
	check "stop" stop
	kill "$receiver"
}

nobody_listens_to_the_notify_socket() {
	configure
	export NOTIFY_SOCKET=$T/no-such-socket
	start
	unset NOTIFY_SOCKET
	check "ready" wait_for is_ready
	check "stop" stop
}

run stop_is_in_order
run interrupt_of_the_whole_group_is_a_clean_stop
run hangup_changes_nothing
run stage_that_does_not_end_is_killed_after_drain_time
run blocked_stage_is_waited_for
run killed_journal_is_back_while_acceptors_drain
run notify_by_path
run notify_by_abstract_name
run not_ready_is_not_told
run nobody_listens_to_the_notify_socket
finish
