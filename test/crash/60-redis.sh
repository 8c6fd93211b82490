#!/bin/sh
# The sinks of Redis killed at random and at each named point; needs python3, redis-server.
MODE=crash exec python3 "$(dirname "$0")/../lib/redis_crash.py" "${KILLS:-100}" "${SEED:-$$}" "$@"
