#!/bin/sh
# A real day of events, in every way there is, and read back byte for byte; needs python3, curl.
exec python3 "$(dirname "$0")/../lib/clickstream_cases.py"
