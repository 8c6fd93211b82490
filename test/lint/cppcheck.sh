#!/bin/sh
# cppcheck, what it is sure of.
set -eu
cd "$(dirname "$0")/../.."
exec cppcheck --quiet --std=c11 --language=c --error-exitcode=1 --inline-suppr -j 2 \
	--enable=warning,portability --suppress=missingIncludeSystem --suppress=unknownMacro \
	-D_GNU_SOURCE -DSLUICE_VERSION='"x"' -I. \
	common/*.c shm/*.c workers/*.c daemon/*.c 2>&1
