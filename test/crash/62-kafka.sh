#!/bin/sh
# The Kafka sink killed at random and at each named point, with and without exactly-once.
MODE=crash exec python3 "$(dirname "$0")/../lib/kafka_crash.py"
