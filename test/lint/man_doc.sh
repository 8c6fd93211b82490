#!/bin/sh
# man_doc.sh [-u] - do sluicectl(1) and sluice-counters(7) say what the code's tables say?
# -u: make them so.
set -eu
cd "$(dirname "$0")/../.."
ctl=build/${MODE:-release}/sluicectl
[ -x "$ctl" ] || {
	echo "$ctl is not built"
	exit 77
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$ctl" --doc commands >"$work/commands"
awk -v block="$work/commands" '
$0 == "@COMMANDS@" { while ((getline line < block) > 0) print line; next }
/^\.\\" The line @COMMANDS@/ { print ".\\\" Made from sluicectl.1.in and daemon/commands.def."; next }
{ print }' docs/man/sluicectl.1.in >"$work/sluicectl.1"
"$ctl" --doc counters >"$work/sluice-counters.7"
bad=0
for page in sluicectl.1 sluice-counters.7; do
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
