# Trimtab: `make help` lists the targets. Sources are found by wildcard: a new file needs no registration.
MODE ?= dev
BUILD := build
OUT := $(BUILD)/$(MODE)
CC := gcc
VERSION := $(shell cat VERSION)

PKGS := libuv libcurl json-c yaml-0.1 openssl sqlite3 libmicrohttpd zlib expat
CPPFLAGS := -Icontroller -I. -D_GNU_SOURCE -DTRIMTAB_VERSION='"$(VERSION)"'
WARN := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wswitch-enum -Wvla -Wformat=2 \
        -Wundef -Wwrite-strings -Wcast-qual -fno-common -Werror
CFLAGS_dev := -O1 -g
CFLAGS_release := -O2 -g -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE
CFLAGS_asan := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
CFLAGS_cov := -O0 -g --coverage
LDFLAGS_release := -pie -Wl,-z,relro,-z,now
LDFLAGS_asan := -fsanitize=address,undefined
LDFLAGS_cov := --coverage
CFLAGS = -std=gnu11 -ffp-contract=off $(WARN) $(CFLAGS_$(MODE)) $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
LIBS = $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lm -lpthread

SRC := $(filter-out controller/main.c,$(sort $(wildcard controller/*/*.c adapters/*.c adapters/*/*.c)))
OBJ := $(SRC:%.c=$(OUT)/obj/%.o)
LIB := $(OUT)/libtrimtab.a
SUPPORT := $(patsubst %.c,$(OUT)/obj/%.o,$(sort $(wildcard tests/support/*.c)))
# One test program a folder of tests/unit, tests/contract and tests/sim.
SUITES := $(patsubst tests/%,%,$(sort $(patsubst %/,%,$(dir $(wildcard tests/unit/*/test_*.c tests/contract/test_*.c tests/sim/test_*.c)))))
TEST_BINS := $(SUITES:%=$(OUT)/tests/%/run)

.PHONY: all
all: build/trimtab ## Build build/trimtab (optimised)

build/trimtab: MODE = release
build/trimtab: $(SRC) controller/main.c $(wildcard controller/*/*.h adapters/*.h adapters/*/*.h) Makefile VERSION
	@$(MAKE) --no-print-directory MODE=release $(BUILD)/release/trimtab
	@cp $(BUILD)/release/trimtab $@

$(OUT)/trimtab: $(OUT)/obj/controller/main.o $(LIB)
	$(CC) $(LDFLAGS_$(MODE)) -o $@ $^ $(LIBS)

$(LIB): $(OBJ)
	@rm -f $@
	@ar rcs $@ $^

$(OUT)/obj/%.o: %.c Makefile VERSION
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

.PRECIOUS: $(OUT)/obj/%.o
.SECONDEXPANSION:
$(OUT)/tests/%/run: $$(addprefix $(OUT)/obj/,$$(addsuffix .o,$$(basename $$(sort $$(wildcard tests/$$*/*.c))))) $(SUPPORT) $(LIB)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS_$(MODE)) -o $@ $^ $(LIBS) -lcriterion

.PHONY: unit
unit: $(TEST_BINS) ## Build and run the Criterion suites (SUITE=unit/base runs one)
	@set -e; for t in $(if $(SUITE),$(SUITE:%=$(OUT)/tests/%/run),$(TEST_BINS)); do echo "== $$t"; $$t --jobs 2; done

.PHONY: help
help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  \1\t/' | expand -t 16

.PHONY: clean
clean: ## Remove build/
	rm -rf $(BUILD)

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
