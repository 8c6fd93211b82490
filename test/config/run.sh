#!/bin/sh
# SPDX-License-Identifier: ISC
#
# NAME
#	run.sh - what the configuration says about good and bad files
#
# DESCRIPTION
#	For each NN-name.conf here the program must print NN-name.ok and exit 0,
#	or say NN-name.err and exit 78.  What it prints must print the same when
#	it is read again.  The files in etc/ and the examples of sluice.conf(5)
#	must load, and etc/sluice.conf must name every key with its default and
#	have a sample of each kind of sink.
#
#	B=build/asan test/config/run.sh     another build
#	DUMP='...' test/config/run.sh       another program, called with the file's name
#	test/config/run.sh -u               write .ok and .err anew; then read the diff
set -u

root=$(cd "$(dirname "$0")/../.." && pwd) || exit 1
build=${B:-build/release}
case $build in /*) ;; *) build=$root/$build ;; esac
dump=${DUMP:-$build/lib/config_dump}
update=${1:-}
out=$(mktemp -d) || exit 1
trap 'rm -rf "$out"' EXIT
unset SLUICE_TEST_UNSET
SLUICE_TEST_DIR='/srv/a b' SLUICE_TEST_EMPTY='' SLUICE_DEV_DIR=/dev/shm/d SLUICE_DEV_RUN=/dev/shm/r
export SLUICE_TEST_DIR SLUICE_TEST_EMPTY SLUICE_DEV_DIR SLUICE_DEV_RUN
cd "$root/test/config" || exit 1
ran=0
bad=0

fail() {
	echo "FAIL $1: $2"
	bad=$((bad + 1))
}

# prints_again NAME FILE: FILE, which was printed, loads and prints the same
prints_again() {
	$dump "$2" >"$out/again" 2>&1 || fail "$1" "what it printed does not load: $(head -1 "$out/again")"
	cmp -s "$2" "$out/again" || fail "$1" "printed twice, it differs"
}

for conf in [0-9][0-9]-*.conf; do
	name=${conf%.conf}
	ran=$((ran + 1))
	$dump "$conf" >"$out/ok" 2>"$out/err"
	rc=$?
	if [ "$update" = -u ]; then
		rm -f "$name.ok" "$name.err"
		if [ $rc = 0 ]; then cp "$out/ok" "$name.ok"; else cp "$out/err" "$name.err"; fi
	fi
	if [ -f "$name.ok" ]; then
		[ $rc = 0 ] || fail "$name" "exit $rc: $(head -1 "$out/err")"
		diff -u "$name.ok" "$out/ok" || fail "$name" "prints something else"
		prints_again "$name" "$out/ok"
	elif [ -f "$name.err" ]; then
		[ $rc = 78 ] || fail "$name" "exit $rc, not 78"
		[ -s "$out/ok" ] && fail "$name" "prints a configuration in spite of errors"
		diff -u "$name.err" "$out/err" || fail "$name" "complains differently"
	else
		fail "$name" "has neither .ok nor .err"
	fi
done

# The manual by example: loads as it is, means the same with each # removed,
# and lacks no key.
for conf in "$root"/etc/*.conf; do
	name=etc/${conf##*/}
	ran=$((ran + 1))
	$dump "$conf" >"$out/ok" 2>"$out/err" || fail "$name" "$(head -1 "$out/err")"
	prints_again "$name" "$out/ok"
done
ran=$((ran + 1))
$dump "$root/etc/sluice.conf" >"$out/short"
sed 's/^#\(   [a-z]\)/ \1/' "$root/etc/sluice.conf" >"$out/full.conf"
$dump "$out/full.conf" >"$out/full" || fail etc/sluice.conf "with each # removed it does not load"
diff -u "$out/short" "$out/full" || fail etc/sluice.conf "names a default that is none"
sed 's/^  *//; s/ .*//' "$out/short" | sort | uniq -c >"$out/keys"
sed 's/#.*//; s/^  *//; s/ .*//; /^$/d' "$out/full.conf" | sort | uniq -c >"$out/named"
sed -i '/ #/d; / $/d' "$out/keys"
diff -u "$out/keys" "$out/named" || fail etc/sluice.conf "lacks a key, or has one too many"

# The samples of sinks load when their # is removed.
ran=$((ran + 1))
sed '1,/^# Samples$/!s/^# \{0,1\}//' "$root/etc/sluice.conf" >"$out/samples.conf"
$dump "$out/samples.conf" >"$out/ok" 2>"$out/err" ||
    fail "etc/sluice.conf, samples" "$(head -1 "$out/err")"
[ "$(sed -n 's/^    kind  *//p' "$out/ok" | sort -u | tr '\n' ' ')" = \
    "clickhouse http kafka redis redis-stream route " ] ||
    fail "etc/sluice.conf, samples" "lacks a kind"
prints_again "etc/sluice.conf, samples" "$out/ok"

# The examples of the manual page, and the page.
page=$root/docs/man/sluice.conf.5.in
awk -v out="$out" '/^\.Bd -literal/ { n++; f = 1; next } /^\.Ed/ { f = 0 }
    f && !/^\$/ { print > (out "/example-" n ".conf") }' "$page"
for conf in "$out"/example-*.conf; do
	ran=$((ran + 1))
	$dump "$conf" >"$out/ok" 2>"$out/err" ||
	    fail "sluice.conf(5), ${conf##*/}" "$(head -1 "$out/err")"
done
if [ ! -x "$build/lib/config_dump" ] || ! command -v mandoc >/dev/null; then
	echo "SKIP sluice.conf(5): mandoc or $build/lib/config_dump is not here"
else
	ran=$((ran + 1))
	"$build/lib/config_dump" -m >"$out/keys"
	sed -e "/^@KEYS@\$/{r $out/keys" -e 'd}' "$page" >"$out/sluice.conf.5"
	mandoc -T lint -W warning "$out/sluice.conf.5" || fail "sluice.conf(5)" "mandoc complains"
fi

echo "config: $ran cases, $bad failed"
[ $bad = 0 ]
