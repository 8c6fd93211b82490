#!/bin/sh
# The texts that the mutants replace still stand where they say.
exec python3 "$(dirname "$0")/../mutants/run.py" --check
