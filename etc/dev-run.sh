#!/bin/sh
# dev-run.sh SLUICED - start in the foreground with etc/sluice.dev.conf, state in a
# private folder, and print the first curl line when the daemon is ready.
set -eu
cd "$(dirname "$0")/.."
sluiced=$1
export SLUICE_DEV_DIR="${SLUICE_DEV_DIR:-$PWD/.run}"
# Shared memory wants a tmpfs; /dev/shm is one on every Linux.
export SLUICE_DEV_RUN="${SLUICE_DEV_RUN:-/dev/shm/sluice-dev-$(id -u)}"
mkdir -p -m 0700 "$SLUICE_DEV_DIR" "$SLUICE_DEV_RUN"
cat <<EOF
Sluice starts in the foreground; Ctrl-C ends it.  Try in another terminal:

  curl -i http://127.0.0.1:3001/events -H 'Content-Type: application/json' \\
    -d '{"userId":"u1","eventType":"hello","timestamp":1700000000000}'

  SLUICE_DEV_DIR=$SLUICE_DEV_DIR SLUICE_DEV_RUN=$SLUICE_DEV_RUN \\
    ${sluiced%sluiced}sluicectl -c etc/sluice.dev.conf stat

EOF
exec "$sluiced" -c etc/sluice.dev.conf
