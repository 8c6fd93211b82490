#!/bin/bash
# What the supervisor does when a stage, or it itself, dies or hangs.
. "$(dirname "$0")/../lib/supervisor.sh"

all='http 0|http 1|journal|admin'

killed_stages_come_back_and_service_goes_on() {
	configure
	start
	check "ready" wait_for is_ready
	local name old slot n=0
	IFS='|'
	for name in $all; do
		unset IFS
		old=$(pid_of "$name")
		slot=$(info "$name" slot)
		kill -KILL "$old"
		check "$name is back" wait_for is_replaced "$name" "$old"
		check "$name: same slot" [ "$(info "$name" slot)" = "$slot" ]
		n=$((n + 1))
		check "$name: said" said "$name died with its hands inside: pid=$old signal=SIGKILL: starting it again"
		check "serves" serves
	done
	unset IFS
	check "no heir: each had a successor" no said 'in disorder'
	check "no back-off" no said 'was not ready yet'
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		old=$(pid_of 'http 0') && kill -KILL "$old"
		check "again" wait_for is_replaced 'http 0' "$old"
	done
	check "serves" serves
	stop
	check "exit code" [ $? -eq 0 ]
}

connections_wait_while_the_only_acceptor_is_replaced() {
	configure "" "    processes 1"
	start
	check "ready" wait_for is_ready
	local i lost=0
	for i in $(seq 20); do
		kill -KILL "$(pid_of 'http 0')"
		serves || lost=$((lost + 1))
	done
	check "none is refused ($lost of 20)" [ "$lost" -eq 0 ]
	check "stop" stop
}

last_words_are_in_the_log() {
	configure
	start
	check "ready" wait_for is_ready
	old=$(pid_of 'http 0')
	ask 'http 0' panic
	check "back" wait_for is_replaced 'http 0' "$old"
	check "panic" wait_for said 'http 0 died with its hands inside: .*signal=SIGABRT.*last_words="test/lib/sluiced_idle.c:[0-9]*: told to panic"'
	old=$(pid_of admin)
	ask admin segv
	check "back" wait_for is_replaced admin "$old"
	check "a stray write is a fault of the one who does it" wait_for said 'admin died .*signal=SIGSEGV.*last_words="SIGSEGV at address 0x'
	old=$(pid_of journal)
	kill -BUS "$old"
	check "back" wait_for is_replaced journal "$old"
	check "sent from outside" wait_for said 'journal died .*signal=SIGBUS.*last_words="SIGBUS sent by pid '
	old=$(pid_of admin)
	ask admin leave
	check "back" wait_for is_replaced admin "$old"
	check "exit code" said 'admin died with its hands inside: pid='"$old"' exit=3: starting it again'
	check "stop" stop
}

terminated_stage_is_replaced() {
	configure
	start
	check "ready" wait_for is_ready
	old=$(pid_of 'http 1')
	kill -TERM "$old"
	check "back" wait_for is_replaced 'http 1' "$old"
	check "it ended by itself" said "http 1 ended: pid=$old exit=0: starting it again"
	check "stop" stop
}

hung_stage_is_noticed_and_replaced() {
	configure
	start
	check "ready" wait_for is_ready
	old=$(pid_of 'http 1')
	kill -STOP "$old"
	check "noticed" wait_for said "http 1 hangs: pid=$old"
	check "says how to go on" said "http 1 was stopped by a signal: kill -CONT $old"
	check "replaced" wait_for is_replaced 'http 1' "$old"
	check "says why" said 'http 1 died .*killed_for=hang'
	old=$(pid_of journal)
	ask journal hang &
	check "replaced" wait_for is_replaced journal "$old"
	check "last words say who" wait_for said 'journal died .*signal=SIGABRT.*last_words="SIGABRT from the supervisor'
	check "stop" stop
}

blocked_stage_is_left_alone() {
	configure
	start
	check "ready" wait_for is_ready
	old=$(pid_of journal)
	ask journal nap &
	check "said" wait_for said "journal is blocked: pid=$old in=test: leaving it alone"
	wait $!
	check "same process" [ "$(info journal pid)" = "$old" ]
	check "says that it goes on" wait_for said "journal goes on after [0-9]+ s: pid=$old"
	check "stop" stop
}

blocked_stage_that_was_stopped_is_replaced() {
	configure
	start
	check "ready" wait_for is_ready
	old=$(pid_of journal)
	ask journal block &
	check "said" wait_for said "journal is blocked: pid=$old in=test: leaving it alone"
	kill -STOP "$old"
	check "says how to go on" wait_for said "journal was stopped by a signal: kill -CONT $old"
	check "replaced" wait_for is_replaced journal "$old"
	check "stop" stop
}

stopped_supervisor_blames_nobody() {
	configure
	start
	check "ready" wait_for is_ready
	kids=$(cat "/proc/$sup/task/$sup/children")
	kill -STOP "$sup"
	sleep 1.6 # longer than hang-time: nothing but time can show it
	kill -CONT "$sup"
	check "nobody was replaced" [ "$(cat "/proc/$sup/task/$sup/children")" = "$kids" ]
	# And stages that were stopped with it, as a suspended machine does.
	kill -STOP "$sup" $kids
	sleep 1.6
	kill -CONT $kids "$sup"
	ticks=$(grep -c 'admin' "$log")
	sleep 0.6
	check "still nobody" [ "$(cat "/proc/$sup/task/$sup/children")" = "$kids" ]
	check "nobody hangs" no said ' hangs: '
	check "stop" stop
}

stage_that_dies_before_ready_is_throttled() {
	configure
	IDLE_DIE=admin start
	check "1 s" wait_for said 'admin ended during its start: pid=[0-9]* exit=[0-9]+: was not ready yet, starting it again in 1 s'
	check "2 s" wait_for said 'admin ended during its start: pid=[0-9]* exit=[0-9]+: was not ready yet, starting it again in 2 s'
	check "the others serve" serves
	check "not ready as a whole" no is_ready
	check "few tries" [ "$(grep -c 'admin: told to die' "$log")" -le 3 ]
	check "stop" stop
}

killed_supervisor_is_followed_by_one_that_adopts() {
	configure
	start
	check "ready" wait_for is_ready
	kids=$(cat "/proc/$sup/task/$sup/children")
	kill -KILL "$sup"
	for p in $kids; do
		check "stage $p ends by itself" wait_for is_gone "$p"
	done
	wait "$sup" 2>/dev/null
	: >"$log"
	start
	check "ready" wait_for is_ready
	check "region adopted" no said 'made a new region'
	check "slots are the same" [ "$(info 'http 0' slot)$(info 'http 1' slot)" = 01 ]
	check "no heir was needed" no said 'in disorder'
	check "nobody is left" no said 'former supervisor'
	check "stop" stop
}

killed_supervisor_is_followed_at_once() {
	configure
	start
	check "ready" wait_for is_ready
	kill -KILL "$sup"
	wait "$sup" 2>/dev/null
	: >"$log"
	start
	check "ready" wait_for is_ready
	check "serves" serves
	check "region adopted" no said 'made a new region'
	check "stop" stop
}

everything_killed_is_adopted() {
	configure
	start
	check "ready" wait_for is_ready
	# Stopped first: a stage that sees it die before its own end lets go.
	kill -STOP "$sup"
	kill -KILL $(cat "/proc/$sup/task/$sup/children") "$sup"
	wait "$sup" 2>/dev/null
	: >"$log"
	sed -i 's/^    max-body 8k/&\n    processes 1/' "$T/conf"
	start
	check "ready" wait_for is_ready
	check "region adopted" no said 'made a new region'
	check "the slot without an acceptor" wait_for said 'left in disorder: slot=1'
	check "gets an heir" wait_for said 'heir 1: stream put in order: slot=1'
	check "that ends" wait_for said 'heir 1 ended: .*exit=0: done'
	sleep 0.6 # two ticks, in which no other heir may come
	check "one heir" [ "$(grep -c 'left in disorder' "$log")" = 1 ]
	check "stop" stop
	check "everything is in the log" said 'supervisor: stopped$'
}

stuck_former_stage_is_ended_after_drain_time() {
	configure
	start
	check "ready" wait_for is_ready
	stuck=$(pid_of 'http 0')
	started+=("$stuck")
	kill -STOP "$stuck"
	kids=$(cat "/proc/$sup/task/$sup/children")
	kill -KILL "$sup"
	wait "$sup" 2>/dev/null
	for p in $kids; do
		[ "$p" = "$stuck" ] || wait_for is_gone "$p"
	done
	: >"$log"
	start
	check "seen" wait_for said 'former supervisor are finishing their work: processes=1'
	check "killed" wait_for said "not done after drain-time: name=http 0 pid=$stuck: killing it"
	check "gone" wait_for is_gone "$stuck"
	check "ready" wait_for is_ready
	check "serves" serves
	check "stop" stop
	check "everything is in order" said 'supervisor: stopped$'
}

run killed_stages_come_back_and_service_goes_on
run connections_wait_while_the_only_acceptor_is_replaced
run last_words_are_in_the_log
run terminated_stage_is_replaced
run hung_stage_is_noticed_and_replaced
run blocked_stage_is_left_alone
run blocked_stage_that_was_stopped_is_replaced
run stopped_supervisor_blames_nobody
run stage_that_dies_before_ready_is_throttled
run killed_supervisor_is_followed_by_one_that_adopts
run killed_supervisor_is_followed_at_once
run everything_killed_is_adopted
run stuck_former_stage_is_ended_after_drain_time
finish
