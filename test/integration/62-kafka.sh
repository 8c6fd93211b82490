#!/bin/sh
# The Kafka sink against a real broker, killed and restarted, and a mock that errs to order.
exec python3 "$(dirname "$0")/../lib/kafka_cases.py"
