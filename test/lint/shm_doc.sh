#!/bin/sh
# shm_doc.sh [-u] - are the offsets in docs/SHM.md those of the code?  -u: write them.
set -eu
cd "$(dirname "$0")/../.."
exec test/lib/doc_block.sh docs/SHM.md offsets test/lib/shm_doc.c "$@"
