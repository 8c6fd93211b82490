#!/bin/sh
# A ClickHouse sink killed 100 times at random and at each of its crash points: nothing is
# lost; what comes twice stays within one batch a death, and is nothing where the server
# knows tokens.
set -eu
cd "$(dirname "$0")/../.."
python3 test/lib/clickhouse_crash.py kills "${KILLS:-100}"
MODE=crash python3 test/lib/clickhouse_crash.py points "${NTH:-15}"
