#!/bin/sh
# The servers that other tests stand on: started, stopped, killed, told; needs python3, kcat, openssl.
exec python3 "$(dirname "$0")/../lib/servers_cases.py"
