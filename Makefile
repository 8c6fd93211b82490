# Sluice.  `make` builds build/release/sluiced and build/release/sluicectl;
# `make run` and `make check` do all their own set-up.  See README.md.
MODE    ?= release
PREFIX  ?= /usr/local
DESTDIR ?=
VERSION := 0.1.0

CC  = gcc
CXX = g++
AR  = ar
B   = build/$(MODE)

WARN   = -Wall -Wextra -Wshadow -Wpointer-arith -Wwrite-strings -Wformat=2 -Wundef -Werror
CWARN  = $(WARN) -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition
HARDEN = -fstack-protector-strong -fstack-clash-protection -fcf-protection -D_FORTIFY_SOURCE=2
OPT_release = -O2 $(HARDEN)
OPT_crash = -O2 $(HARDEN) -DCRASHPOINTS
OPT_asan = -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -DCRASHPOINTS
# The tool does not model fences, and says so for each; rings and bells use a few.
OPT_tsan = -O1 -fsanitize=thread -fno-omit-frame-pointer -Wno-tsan
OPT_fuzz = -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -fsanitize=fuzzer-no-link
ifeq ($(MODE),fuzz)
CC  = clang
CXX = clang++
endif
CPPFLAGS = -D_GNU_SOURCE -I. -I$(B)/gen -DSLUICE_VERSION='"$(VERSION)"' $(EXTRA_CPPFLAGS)
CFLAGS   = -std=gnu17 -g -fPIE $(OPT_$(MODE)) $(CWARN)
# vptr checks need the C++ sanitizer runtime, which the C linker does not bring.
CXXFLAGS = -std=c++17 -g -fPIE $(OPT_$(MODE)) -fno-sanitize=vptr $(WARN)
LDFLAGS  = -pie -Wl,-z,relro,-z,now -Wl,--as-needed $(filter -fsanitize=%,$(OPT_$(MODE)))
LIBS     = -levent_core -lsimdjson -lbsd -lhiredis -lrdkafka -lcurl -lcrypto -llz4 -lzstd -lz \
           -lstdc++ -lpthread -lm

LIB_C   = $(filter-out daemon/sluiced.c daemon/sluicectl.c, \
            $(wildcard common/*.c shm/*.c workers/*.c daemon/*.c))
LIB_CXX = $(wildcard common/*.cc)
LIB_O   = $(LIB_C:%.c=$(B)/%.o) $(LIB_CXX:%.cc=$(B)/%.o)
LIB     = $(B)/libsluice.a
PROGS   = $(if $(wildcard daemon/sluiced.c),$(B)/sluiced) $(if $(wildcard daemon/sluicectl.c),$(B)/sluicectl)
UNIT    = $(patsubst test/unit/%.c,$(B)/test/%,$(wildcard test/unit/test_*.c))
FUZZ    = $(patsubst test/fuzz/%.c,$(B)/fuzz/%,$(wildcard test/fuzz/fuzz_*.c))
BENCH   = $(patsubst test/bench/%.c,$(B)/bench/%,$(wildcard test/bench/*.c))
TOOLS   = $(patsubst test/lib/%.c,$(B)/lib/%,$(wildcard test/lib/*.c))

.PHONY: all
all: $(PROGS)

$(LIB): $(LIB_O)
	@rm -f $@
	$(AR) rcs $@ $^

# -Wconversion where a silent narrowing would tear a position.
$(B)/shm/%.o: CWARN += -Wconversion
$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<
$(B)/%.o: %.cc
	@mkdir -p $(@D)
	$(CXX) $(CPPFLAGS) $(CXXFLAGS) -MMD -MP -c -o $@ $<

$(B)/sluiced: $(B)/daemon/sluiced.o $(LIB)
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)
$(B)/sluicectl: $(B)/daemon/sluicectl.o $(LIB)
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)

$(B)/test/%: test/unit/%.c $(LIB)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -o $@ $< $(LDFLAGS) $(LIB) $(LIBS) -lcheck -lsubunit -lrt -lm
$(B)/bench/%: test/bench/%.c $(LIB)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -o $@ $< $(LDFLAGS) $(LIB) $(LIBS)
$(B)/lib/%: test/lib/%.c $(LIB)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -o $@ $< $(LDFLAGS) $(LIB) $(LIBS)
$(B)/fuzz/%: test/fuzz/%.c $(LIB)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -o $@ $< $(LDFLAGS) -fsanitize=fuzzer $(LIB) $(LIBS)

.PHONY: unit fuzz-build bench-build tools clean
unit: $(UNIT)
fuzz-build: $(FUZZ)
bench-build: $(BENCH)
tools: $(TOOLS)
clean:
	rm -rf build

# What a bare Debian needs, in the order in which people meet it.
BUILD_NEEDS = gcc g++ make libevent-dev libsimdjson-dev libbsd-dev \
              libhiredis-dev librdkafka-dev libcurl4-openssl-dev libssl-dev liblz4-dev libzstd-dev \
              zlib1g-dev
CHECK_NEEDS = $(BUILD_NEEDS) check libsubunit-dev clang libclang-rt-14-dev cppcheck mandoc spin \
              strace curl jq socat python3 util-linux procps $(SERVER_NEEDS)
# The servers that tests and demo start for themselves (Kafka's jars come by maven).
SERVER_NEEDS = redis-server clickhouse-server clickhouse-client kcat default-jre-headless maven \
               openssl python3
BENCH_NEEDS = $(BUILD_NEEDS) wrk nginx-light curl $(SERVER_NEEDS)

.PHONY: run demo check check-build lint bench mutants install docs
run:
	@test/lib/need.sh $(BUILD_NEEDS)
	@$(MAKE) --no-print-directory all
	@exec etc/dev-run.sh $(CURDIR)/$(B)/sluiced

# Every sink, on servers of its own; nothing of it stays.
demo:
	@test/lib/need.sh $(BUILD_NEEDS) $(SERVER_NEEDS)
	@$(MAKE) -s --no-print-directory all
	@MODE=$(MODE) test/demo

# Everything the tests run, in all the builds they run it in.
check-build:
	@$(MAKE) -s --no-print-directory MODE=release all unit tools
	@$(MAKE) -s --no-print-directory MODE=crash all tools
	@$(MAKE) -s --no-print-directory MODE=asan all unit tools
	@$(MAKE) -s --no-print-directory MODE=tsan unit-threads
	@$(MAKE) -s --no-print-directory MODE=fuzz fuzz-build
.PHONY: unit-threads
unit-threads: $(filter %_threads,$(UNIT))

check:
	@test/lib/need.sh $(CHECK_NEEDS)
	@$(MAKE) --no-print-directory check-build
	@test/run.sh

lint:
	@test/run.sh lint

mutants:
	@test/lib/need.sh $(CHECK_NEEDS)
	@test/mutants/run.sh

bench:
	@test/lib/need.sh $(BENCH_NEEDS)
	@$(MAKE) -s --no-print-directory MODE=release all bench-build
	@test/bench/run.sh

# The parts of the documents that come from the tables of the code.
docs: all
	@$(MAKE) --no-print-directory tools
	test/lint/man_doc.sh -u
	test/lint/shm_doc.sh -u
	test/lint/api_doc.sh -u

INSTALL = install
install: all
	$(INSTALL) -d $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(PREFIX)/bin \
	    $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/man/man5 \
	    $(DESTDIR)$(PREFIX)/share/man/man7 $(DESTDIR)$(PREFIX)/share/man/man8 \
	    $(DESTDIR)$(PREFIX)/share/doc/sluice $(DESTDIR)$(PREFIX)/lib/systemd/system \
	    $(DESTDIR)$(PREFIX)/lib/sysusers.d $(DESTDIR)$(PREFIX)/lib/tmpfiles.d \
	    $(DESTDIR)/etc/sluice
	$(INSTALL) -m 0755 $(B)/sluiced $(DESTDIR)$(PREFIX)/sbin/sluiced
	$(INSTALL) -m 0755 $(B)/sluicectl $(DESTDIR)$(PREFIX)/bin/sluicectl
	for page in docs/man/*.[1-8]; do \
	    $(INSTALL) -m 0644 $$page $(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/ || exit 1; done
	$(INSTALL) -d $(DESTDIR)$(PREFIX)/share/doc/sluice/docs/decisions \
	    $(DESTDIR)$(PREFIX)/share/doc/sluice/docs/sinks \
	    $(DESTDIR)$(PREFIX)/share/doc/sluice/etc
	$(INSTALL) -m 0644 README.md LICENSE $(DESTDIR)$(PREFIX)/share/doc/sluice/
	$(INSTALL) -m 0644 docs/*.md $(DESTDIR)$(PREFIX)/share/doc/sluice/docs/
	$(INSTALL) -m 0644 docs/sinks/*.md $(DESTDIR)$(PREFIX)/share/doc/sluice/docs/sinks/
	$(INSTALL) -m 0644 docs/decisions/*.md $(DESTDIR)$(PREFIX)/share/doc/sluice/docs/decisions/
	$(INSTALL) -m 0644 etc/sluice.conf $(DESTDIR)$(PREFIX)/share/doc/sluice/etc/
	sed 's|@PREFIX@|$(PREFIX)|g' systemd/sluice.service \
	    >$(DESTDIR)$(PREFIX)/lib/systemd/system/sluice.service
	$(INSTALL) -m 0644 systemd/sluice.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/sluice.conf
	$(INSTALL) -m 0644 systemd/sluice.tmpfiles $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/sluice.conf
	test -e $(DESTDIR)/etc/sluice/sluice.conf || \
	    sed 's|^#   user .*|    user                sluice|' etc/sluice.conf \
	        >$(DESTDIR)/etc/sluice/sluice.conf

-include $(LIB_O:.o=.d) $(wildcard $(B)/daemon/*.d $(B)/test/*.d $(B)/bench/*.d $(B)/fuzz/*.d $(B)/lib/*.d)
