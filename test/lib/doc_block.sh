#!/bin/sh
# doc_block.sh PAGE MARK PROGRAM.c [-u] - does the block of PAGE between the
# marks <!-- MARK:begin --> and <!-- MARK:end --> say what PROGRAM prints?
# -u: put it there.  PROGRAM includes headers only.
set -eu
page=$1 mark=$2 program=$3 update=${4:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for where in begin end; do
	[ "$(grep -c "^<!-- $mark:$where -->\$" "$page")" -eq 1 ] || {
		echo "$page: needs one line <!-- $mark:$where -->"
		exit 1
	}
done
"${CC:-gcc}" -std=gnu17 -D_GNU_SOURCE -I. -o "$work/print" "$program"
"$work/print" >"$work/block"
awk -v mark="$mark" -v block="$work/block" '
$0 == "<!-- " mark ":end -->" { skip = 0 }
!skip { print }
$0 == "<!-- " mark ":begin -->" { skip = 1; while ((getline line < block) > 0) print line }
' "$page" >"$work/page"
cmp -s "$page" "$work/page" && exit 0
if [ "$update" = -u ]; then
	cat "$work/page" >"$page"
	echo "$page: updated"
	exit 0
fi
diff -u "$page" "$work/page" || true
echo "$page: not what the code says; its test/lint script with -u writes it"
exit 1
