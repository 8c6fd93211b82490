#!/bin/sh
# Calls that the house style forbids, and paths of one machine.
set -eu
cd "$(dirname "$0")/../.."
bad=0
if grep -nE '\b(strcpy|strcat|sprintf|vsprintf|gets|atoi|atol|system|alloca|strtok) *\(' \
    common/*.[ch] common/*.cc shm/*.[ch] workers/*.[ch] daemon/*.[ch]; then
	echo "a forbidden call"
	bad=1
fi
if git ls-files -z 2>/dev/null | xargs -0 grep -nIE '(^|[^a-z])/(root|home)/[a-z]' -- 2>/dev/null | grep -v '^test/lint/words.sh'; then
	echo "a path of one machine"
	bad=1
fi
exit $bad
