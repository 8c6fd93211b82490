#!/bin/sh
# man_doc.sh [-u] - do the manual pages that are made from tables say what the tables say?
# -u: make them so.
set -eu
cd "$(dirname "$0")/../.."
ctl=build/${MODE:-release}/sluicectl
for program in "$ctl" "build/${MODE:-release}/lib/config_dump"; do
	[ -x "$program" ] || {
		echo "$program is not built"
		exit 77
	}
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$ctl" --doc commands >"$work/commands"
awk -v block="$work/commands" '
$0 == "@COMMANDS@" { while ((getline line < block) > 0) print line; next }
/^\.\\" The line @COMMANDS@/ { print ".\\\" Made from sluicectl.1.in and daemon/commands.def."; next }
{ print }' docs/man/sluicectl.1.in >"$work/sluicectl.1"
"$ctl" --doc counters >"$work/sluice-counters.7"
build/${MODE:-release}/lib/config_dump -m >"$work/keys"
awk -v block="$work/keys" '
$0 == "@KEYS@" { while ((getline line < block) > 0) print line; next }
/^\.\\" The line @KEYS@/ { print ".\\\" Made from sluice.conf.5.in and common/config_keys.def."; next }
{ print }' docs/man/sluice.conf.5.in >"$work/sluice.conf.5"
bad=0
for page in sluicectl.1 sluice.conf.5 sluice-counters.7; do
	cmp -s "$work/$page" "docs/man/$page" && continue
	if [ "${1:-}" = -u ]; then
		cp "$work/$page" "docs/man/$page"
		echo "docs/man/$page: updated"
	else
		diff -u "docs/man/$page" "$work/$page" || true
		echo "docs/man/$page: not what the code says; update it with $0 -u"
		bad=1
	fi
done
exit $bad
