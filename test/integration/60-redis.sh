#!/bin/sh
# Claims, the event cache and streams in Redis, against real servers; needs python3, redis-server.
exec python3 "$(dirname "$0")/../lib/redis_cases.py" "$@"
