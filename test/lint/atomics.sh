#!/bin/sh
# Atomics are spoken in shm/ only, and never with the default order.
set -eu
cd "$(dirname "$0")/../.."
bad=0
if grep -nE '\b(atomic_(load|store|exchange|fetch|compare|thread_fence|init|flag)[a-z_]*|__atomic_[a-z_]+|__sync_[a-z_]+)\b *\(' \
    common/*.[ch] common/*.cc workers/*.[ch] daemon/*.[ch]; then
	echo "atomics outside shm/: use shm/word.h"
	bad=1
fi
if grep -nE '\batomic_(load|store|exchange|fetch_[a-z]+|compare_exchange_(strong|weak)) *\(' shm/*.[ch]; then
	echo "an atomic without an explicit order"
	bad=1
fi
if grep -nE '\bvolatile\b' common/*.[ch] workers/*.[ch] daemon/*.[ch] | grep -v 'sig_atomic_t\|__asm__\|asm volatile'; then
	echo "volatile outside shm/ that is no signal flag"
	bad=1
fi
exit $bad
