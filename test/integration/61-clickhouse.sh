#!/bin/sh
# The ClickHouse sink against a real server: rows byte for byte, wrong tables, dead servers.
exec python3 "$(dirname "$0")/../lib/clickhouse_cases.py"
