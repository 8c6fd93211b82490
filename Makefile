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
OPT_tsan = -O1 -fsanitize=thread -fno-omit-frame-pointer
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
LIBS     = -levent_core -lsimdjson -lbsd -lstdc++ -lpthread -lm

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

-include $(LIB_O:.o=.d) $(wildcard $(B)/daemon/*.d $(B)/test/*.d $(B)/bench/*.d $(B)/fuzz/*.d $(B)/lib/*.d)
