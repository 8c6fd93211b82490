#!/bin/sh
# Manual pages without a warning.
set -eu
cd "$(dirname "$0")/../.."
bad=0
for page in docs/man/*.[1-8]; do
	mandoc -T lint -W warning "$page" || bad=1
done
exit $bad
