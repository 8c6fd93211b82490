#!/bin/sh
# api_doc.sh [-u] - does docs/API.md have every code that the intake may answer?
# -u: write the tables that come from the .def files.
set -eu
cd "$(dirname "$0")/../.."
test/lib/doc_block.sh docs/API.md codes test/lib/api_doc.c "$@"
bad=0
# Codes that stand in no .def file: those of the acceptor and of the splitter.
codes=$(
	sed -n 's/.*http_answer_error(.*BYTES_LIT("\([a-z_]*\)").*/\1/p; s/.*\\"code\\":\\"\([a-z_]*\)\\".*/\1/p' \
	    workers/acceptor*.c
	sed -n '/^admit_retry_code/,/^}/s/"\([a-z_]*\)"/\n\1\n/gp' workers/admit.c | grep -x '[a-z_]*'
	sed -n 's/.*\[SPLIT_[A-Z_]*\] = {"\([a-z_]*\)".*/\1/p' common/split.c | grep -vx ok
)
[ "$(echo "$codes" | wc -l)" -ge 10 ] || { echo "too few codes found in the sources: mend this script"; bad=1; }
for code in $codes; do
	grep -q "^| \`$code\` |" docs/API.md || { echo "docs/API.md: no row for the code $code"; bad=1; }
done
exit $bad
