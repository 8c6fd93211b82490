#!/bin/sh
# dev-run.sh SLUICED - start in the foreground with etc/sluice.dev.conf, state in a
# private folder, and print the first curl line when the daemon is ready.
set -eu
cd "$(dirname "$0")/.."
sluiced=$1
export SLUICE_DEV_DIR="${SLUICE_DEV_DIR:-$PWD/.run}"
# Shared memory wants a tmpfs; /dev/shm is one on every Linux.  It belongs to the
# state beside it, so each checkout has its own, and a state that was removed
# leaves no region behind that nobody knows.
of_state=$(printf '%s' "$SLUICE_DEV_DIR" | cksum | cut -d ' ' -f 1)
export SLUICE_DEV_RUN="${SLUICE_DEV_RUN:-/dev/shm/sluice-dev-$(id -u)-$of_state}"
[ -e "$SLUICE_DEV_DIR/state/instance" ] || rm -rf "$SLUICE_DEV_RUN/region"
mkdir -p -m 0700 "$SLUICE_DEV_DIR" "$SLUICE_DEV_RUN"
# The same two variables for everybody who wants to look: `. .run/env`.
cat >"$SLUICE_DEV_DIR/env" <<EOF
export SLUICE_DEV_DIR='$SLUICE_DEV_DIR' SLUICE_DEV_RUN='$SLUICE_DEV_RUN'
EOF
cat <<EOF
Sluice starts in the foreground; Ctrl-C ends it.  Try in another terminal:

  curl -i http://127.0.0.1:3001/events -H 'Content-Type: application/json' \\
    -d '{"userId":"u1","eventType":"hello","timestamp":1700000000000}'

  . $SLUICE_DEV_DIR/env
  ${sluiced%sluiced}sluicectl -c etc/sluice.dev.conf stat

EOF
exec "$sluiced" -c etc/sluice.dev.conf
