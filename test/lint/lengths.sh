#!/bin/sh
# Files of at most 600 lines, functions of at most 80, lines of at most 100 columns.
set -eu
cd "$(dirname "$0")/../.."
bad=0
for file in common/*.[ch] common/*.cc shm/*.[ch] workers/*.[ch] daemon/*.[ch]; do
	[ -e "$file" ] || continue
	awk -v file="$file" '
	function width(s,   n, i, c) {
		n = 0
		for (i = 1; i <= length(s); i++) {
			c = substr(s, i, 1)
			n += c == "\t" ? 8 - n % 8 : 1
		}
		return n
	}
	{ if (width($0) > 100) { printf "%s:%d: %d columns\n", file, NR, width($0); bad = 1 } }
	/^\{$/ { start = NR }
	/^\}/ { if (start && NR - start > 81) { printf "%s:%d: a function of %d lines\n", file, start, NR - start - 1; bad = 1 } start = 0 }
	END { if (NR > 600) { printf "%s: %d lines\n", file, NR; bad = 1 } exit bad }' "$file" || bad=1
done
exit $bad
