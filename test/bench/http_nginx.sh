#!/bin/sh
# SPDX-License-Identifier: ISC
#
# NAME
#	http_nginx.sh - the HTTP server against nginx's "return 202"
#
# DESCRIPTION
#	http_nginx.sh TOY [SECONDS [ROUNDS]]: TOY is the http_toy program.  Each
#	server runs on core 0, wrk with 256 connections on core 1, POSTs of 330
#	bytes, rounds alternating.  Prints requests a second and the server's CPU time a
#	request (user and system, from /proc).  Needs nginx, wrk and two cores.
set -eu

toy=$1
seconds=${2:-4}
rounds=${3:-3}
dir=$(mktemp -d)
trap 'kill $pids 2>/dev/null || true; rm -rf "$dir"' EXIT
pids=

cat > "$dir/nginx.conf" <<CONF
worker_processes 1;
daemon off;
master_process off;
pid $dir/pid;
error_log $dir/error.log;
events { worker_connections 4096; }
http {
	access_log off;
	keepalive_requests 100000000;
	client_body_temp_path $dir/body;
	proxy_temp_path $dir/proxy;
	fastcgi_temp_path $dir/fastcgi;
	uwsgi_temp_path $dir/uwsgi;
	scgi_temp_path $dir/scgi;
	default_type application/json;
	server {
		listen 127.0.0.1:18481;
		location / { return 202 '{"status":"accepted"}'; }
	}
}
CONF
awk 'BEGIN {
	b = "{\"userId\":\"user-1\",\"eventType\":\"page_view\",\"timestamp\":1700000000000,\"metadata\":{\"k\":\"";
	while (length(b) < 326) b = b "x";
	printf "wrk.method=\"POST\"\nwrk.headers[\"Content-Type\"]=\"application/json\"\nwrk.body=[==[%s\"}}]==]\n", b }' \
    > "$dir/post.lua"

taskset -c 0 nginx -c "$dir/nginx.conf" 2>/dev/null &
nginx=$!
taskset -c 0 "$toy" 18480 &
at_once=$!
taskset -c 0 "$toy" 18482 held &
held=$!
pids="$nginx $at_once $held"
until curl -s -o "$dir/answer" 127.0.0.1:18480 && curl -s -o "$dir/answer" 127.0.0.1:18481; do :; done

ticks() {
	awk '{ print $14 + $15 }' "/proc/$1/stat"
}

run() {
	before=$(ticks "$2")
	taskset -c 1 wrk -t1 -c256 -d"${seconds}s" -s "$dir/post.lua" "http://127.0.0.1:$3/events" \
	    > "$dir/wrk.out"
	awk -v name="$1" -v t=$(($(ticks "$2") - before)) -v hz="$(getconf CLK_TCK)" '
		/requests in/ { n = $1 }
		/Requests.sec/ { rate = $2 }
		/Non-2xx|Socket errors/ { print }
		END { printf "%-8s %9.0f req/s  %6.2f us CPU/req\n", name, rate, t / hz * 1e6 / n }' \
	    "$dir/wrk.out"
}

i=0
while [ "$i" -lt "$rounds" ]; do
	run nginx "$nginx" 18481
	run sluice "$at_once" 18480
	run held "$held" 18482
	i=$((i + 1))
done
