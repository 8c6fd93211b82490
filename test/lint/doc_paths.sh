#!/bin/sh
# Every file of this tree that the documents name is there.
set -eu
cd "$(dirname "$0")/../.."
bad=0
for page in README.md docs/*.md docs/decisions/*.md test/model/README.md; do
	for path in $(grep -oE '`(common|shm|workers|daemon|test|docs|etc|systemd)/[A-Za-z0-9_./*-]*`' "$page" | tr -d '`' | sort -u); do
		# shellcheck disable=SC2086 # a pattern may be meant
		ls -d $path >/dev/null 2>&1 || { echo "$page: names $path, which is not there"; bad=1; }
	done
done
exit $bad
