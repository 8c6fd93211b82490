#!/bin/sh
# Break the program in known ways and see that the tests notice.
exec python3 "$(dirname "$0")/run.py" "$@"
