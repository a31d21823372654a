# Trimtab: `make help` lists the targets. Sources and tests are found by wildcard: a new file needs no registration.
# MODE=dev|release|asan|cov|fuzz chooses the flags; each mode has a folder of its own under build/.
MODE ?= dev
BUILD := build
OUT := $(BUILD)/$(MODE)
CC := gcc
VERSION := $(shell cat VERSION)
JOBS ?= $(shell nproc)
RUN_ARGS ?= --for 24h
PREFIX ?= /usr
PYTHON = $$(bash tests/support/cache.sh $(or $(VENV_$1),venv))/bin/python3

PKGS := libuv libcurl json-c yaml-0.1 openssl sqlite3 libmicrohttpd zlib expat clp
CPPFLAGS := -Icontroller -I. -Itests -D_GNU_SOURCE -DTRIMTAB_VERSION='"$(VERSION)"'
WARN := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wswitch-enum -Wvla -Wformat=2 \
        -Wundef -Wwrite-strings -Wcast-qual -fno-common -Werror
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
CFLAGS_dev := -O1 -g
CFLAGS_release := -O2 -g -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE -ffunction-sections -fdata-sections
CFLAGS_asan := -O1 -g $(SANITIZE)
CFLAGS_cov := -O0 -g --coverage
CFLAGS_fuzz := -O1 -g $(SANITIZE) -fsanitize=fuzzer-no-link
LDFLAGS_release := -pie -Wl,-z,relro,-z,now -Wl,--gc-sections
LDFLAGS_asan := -fsanitize=address,undefined
LDFLAGS_cov := --coverage
LDFLAGS_fuzz := -fsanitize=address,undefined
# libFuzzer is clang's. gcc is the judge of warnings: clang's -Wconversion and -Wextra are other ones.
ifeq ($(MODE),fuzz)
CC := clang
WARN := -Wall -Wno-gnu-zero-variadic-macro-arguments
endif
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
CFLAGS := -std=gnu11 -ffp-contract=off $(WARN) $(CFLAGS_$(MODE)) $(PKG_CFLAGS)
LIBS := $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lm -lpthread

SRC := $(filter-out controller/main.c,$(sort $(wildcard controller/*/*.c adapters/*.c adapters/*/*.c)))
HDR := $(sort $(wildcard controller/*/*.h adapters/*.h adapters/*/*.h))
OBJ := $(SRC:%.c=$(OUT)/obj/%.o)
LIB := $(OUT)/libtrimtab.a
# An archive, so that a program takes just what it names: some of it wants Criterion, which only the suites have.
SUPPORT := $(OUT)/libsupport.a
SUPPORT_OBJ := $(patsubst %.c,$(OUT)/obj/%.o,$(sort $(wildcard tests/support/*.c)))
# One Criterion program for each folder of tests/unit, and for tests/contract and tests/sim and folders in them.
# In the order of a run: what needs a cluster, which is built meanwhile on a new machine, comes last.
STAGES := sim unit contract
SUITES := $(sort $(patsubst tests/%/,%,$(dir $(wildcard $(foreach s,$(STAGES),tests/$s/test_*.c tests/$s/*/test_*.c)))))
TEST_BINS := $(SUITES:%=$(OUT)/tests/%/run)
FUZZERS := $(patsubst tests/fuzz/%.c,%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
# Helpers of the Python tests: each C file there is a program.
HELPERS := $(patsubst tests/%.c,$(OUT)/tests/%,$(sort $(wildcard $(foreach s,integration e2e bench,tests/$s/*.c))))
REPLAYS := $(FUZZERS:%=$(OUT)/tests/fuzz/%)
TEST_C := $(filter-out tests/lint/%,$(sort $(shell find tests -name "*.[ch]" 2>/dev/null)))
RUN_TESTS := OUT=$(OUT) python3 tests/support/run_tests.py

.PHONY: all
all: ## Build build/trimtab (optimised)
	@pkg-config --exists $(PKGS) 2>/dev/null || { echo "Libraries are missing: run 'make deps' first." >&2; exit 2; }
	@$(MAKE) --no-print-directory -j$(JOBS) MODE=release $(BUILD)/release/trimtab
	@cmp -s $(BUILD)/release/trimtab $(BUILD)/trimtab || cp $(BUILD)/release/trimtab $(BUILD)/trimtab

.PHONY: deps
deps: ## Install what is missing with apt (as root or sudo)
	@bash tests/support/deps.sh

.PHONY: run
run: ## Set up, build and run the local example: a day in a minute, simulated clouds, real demand
	@bash tests/support/deps.sh build
	@$(MAKE) --no-print-directory all
	@echo "A day in a minute; Ctrl-C ends it sooner. The log is in $(BUILD)/run.log."
	@$(BUILD)/trimtab run --manifests deploy/examples/local --speed 1440 --table $(RUN_ARGS) 2>$(BUILD)/run.log || \
	    { tail -n 5 $(BUILD)/run.log >&2; exit 1; }

.PHONY: test
test: ## Set up, build and run every test: unit contract sim fuzz corpora, integration, e2e
	@bash tests/support/deps.sh
	@$(MAKE) --no-print-directory all
	@$(MAKE) --no-print-directory -j$(JOBS) tests-built
	@$(RUN_TESTS) $(STAGES) fuzz integration e2e

.PHONY: tests-built
tests-built: $(TEST_BINS) $(REPLAYS) $(HELPERS)

.PHONY: unit contract sim
unit contract sim: ## Build and run these Criterion suites (SUITE=unit/base runs one)
	@$(MAKE) --no-print-directory -j$(JOBS) MODE=$(MODE) \
	    $(if $(SUITE),$(SUITE:%=$(OUT)/tests/%/run),$(filter $(OUT)/tests/$@/%,$(TEST_BINS)))
	@SUITE=$(SUITE) $(RUN_TESTS) $@

.PHONY: integration e2e
integration e2e: all ## Run these tests of the binary against real parts (PYTEST_ARGS='-k word')
	@$(MAKE) --no-print-directory -j$(JOBS) MODE=$(MODE) $(HELPERS)
	@$(RUN_TESTS) $@

.PHONY: crash
crash: all ## Kill the leader at random moments, CRASH_KILLS=200 times
	@CRASH_KILLS=$${CRASH_KILLS:-200} PYTEST_ARGS="-k crash --timeout=7200 $(PYTEST_ARGS)" $(RUN_TESTS) e2e

.PHONY: asan
asan: ## Every Criterion suite, the fuzz corpora and the integration tests under ASan, LSan and UBSan
	@rm -rf $(BUILD)/asan/log && mkdir -p $(BUILD)/asan/log
	@$(MAKE) --no-print-directory -j$(JOBS) MODE=asan tests-built $(BUILD)/asan/trimtab
	@status=0; LSAN_OPTIONS=suppressions=$(CURDIR)/tests/support/lsan.supp:print_suppressions=0 ASAN_OPTIONS=log_path=$(CURDIR)/$(BUILD)/asan/log/asan UBSAN_OPTIONS=print_stacktrace=1 OUT=$(BUILD)/asan \
	    TRIMTAB_BIN=$(CURDIR)/$(BUILD)/asan/trimtab PYTEST_ARGS="-m 'not image' $(PYTEST_ARGS)" \
	    python3 tests/support/run_tests.py $(or $(ASAN_STAGES),$(STAGES) fuzz integration) || status=1; \
	    sh tests/support/asan_logs.sh $(BUILD)/asan/log || status=1; exit $$status

.PHONY: cov
cov: ## Line and branch coverage of the Criterion suites, by folder
	@$(MAKE) --no-print-directory -j$(JOBS) MODE=cov tests-built
	@find $(BUILD)/cov -name '*.gcda' -delete
	@OUT=$(BUILD)/cov python3 tests/support/run_tests.py $(STAGES) fuzz
	@gcovr --root . --object-directory $(BUILD)/cov --filter controller/ --filter adapters/ --exclude-throw-branches \
	    --json-summary $(BUILD)/cov/summary.json --txt $(BUILD)/cov/coverage.txt $(BUILD)/cov
	@python3 tests/support/coverage.py $(BUILD)/cov/summary.json

.PHONY: fuzz
fuzz: ## Run each libFuzzer target for FUZZ_SECONDS=20 over its corpus (FUZZ=fuzz_yaml runs one)
	@$(MAKE) --no-print-directory -j$(JOBS) MODE=fuzz $(FUZZERS:%=$(BUILD)/fuzz/bin/%)
	@bash tests/support/fuzz.sh $(BUILD)/fuzz $(or $(FUZZ),$(FUZZERS))

# Each is a program of tests/bench; the helpers of some are built with the release's flags.
BENCH ?= runtime listing
VENV_forecast := forecast
BENCH_ARGS_runtime = --n $(or $(BENCH_N),10000)
.PHONY: bench
bench: all ## Measure: runtime (controller-runtime, BENCH_N="10000 50000"), listing (boto3); BENCH=forecast (open models), BENCH=planning (Karpenter)
	@$(MAKE) --no-print-directory -j$(JOBS) MODE=release $(HELPERS:$(OUT)/%=$(BUILD)/release/%)
	@$(foreach b,$(BENCH),$(call PYTHON,$(b)) tests/bench/$(b).py $(BENCH_ARGS_$(b)) &&) true

.PHONY: image
image: ## Build the container image trimtab:$(VERSION) with podman
	@bash tests/support/image.sh trimtab:$(VERSION)

.PHONY: install
install: all ## Install below DESTDIR and PREFIX=/usr: trimtab, kubectl-trimtab and the price list
	install -D -s -m 755 $(BUILD)/trimtab $(DESTDIR)$(PREFIX)/bin/trimtab
	ln -sf trimtab $(DESTDIR)$(PREFIX)/bin/kubectl-trimtab
	install -D -m 644 adapters/catalogue/instance_prices.csv.gz $(DESTDIR)/usr/share/trimtab/instance_prices.csv.gz

# ---- lint ----

.PHONY: lint
lint: ## clang-format, clang-tidy, cppcheck, directions of includes
	@bash tests/support/deps.sh build test lint
	@$(MAKE) --no-print-directory -k -j$(JOBS) lint-includes lint-format lint-cppcheck lint-tidy
	@echo "lint: clean"

.PHONY: lint-includes lint-format lint-cppcheck lint-tidy
lint-includes:
	@python3 tests/lint/includes.py
lint-format:
	@clang-format --dry-run --Werror $(SRC) $(HDR) $(wildcard controller/main.c) $(TEST_C)
lint-cppcheck:
	@mkdir -p $(BUILD)/cppcheck
	@cppcheck --quiet --enable=warning,performance,portability --inline-suppr --error-exitcode=1 --std=c11 \
	    --cppcheck-build-dir=$(BUILD)/cppcheck --suppressions-list=tests/lint/cppcheck.txt --include=tests/lint/cppcheck_log.h $(CPPFLAGS) \
	    controller adapters
TIDY := $(patsubst %.c,$(BUILD)/tidy/%.ok,$(SRC) $(wildcard controller/main.c))
lint-tidy: $(TIDY)
$(BUILD)/tidy/%.ok: %.c $(HDR) .clang-tidy
	@mkdir -p $(@D)
	@clang-tidy --quiet $< -- -std=gnu11 $(CPPFLAGS) $(PKG_CFLAGS) -Wno-gnu-zero-variadic-macro-arguments 2>$@.err \
	    || { cat $@.err >&2; exit 1; }
	@touch $@

.PHONY: format
format: ## Format every C file in place
	@clang-format -i $(SRC) $(HDR) $(wildcard controller/main.c) $(TEST_C)

.PHONY: help
help: ## This list
	@grep -hE '^[a-z0-9 -]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9 -]+):.*## /  \1\t/' | expand -t 24

.PHONY: clean
clean: ## Remove build/
	rm -rf $(BUILD)

# ---- rules ----

$(OUT)/trimtab: $(OUT)/obj/controller/main.o $(LIB)
	$(CC) $(LDFLAGS_$(MODE)) -o $@ $^ $(LIBS)

# The list of members is a prerequisite: a source that was removed must not live on in the archive.
$(LIB): $(OBJ) $(OUT)/members
	@rm -f $@
	@ar rcs $@ $(OBJ)
$(SUPPORT): $(SUPPORT_OBJ)
	@rm -f $@
	@ar rcs $@ $^
$(OUT)/members: FORCE
	@mkdir -p $(@D)
	@echo '$(OBJ)' | cmp -s - $@ || echo '$(OBJ)' > $@
.PHONY: FORCE
FORCE:

# Nearly all the time of a fit is loops over arrays, which -O2 leaves unvectorised. The sums stay as written: nobody asks for errno
# or traps.
ifeq ($(MODE),release)
$(OUT)/obj/controller/forecast/%.o: CFLAGS += -O3 -fno-math-errno -fno-trapping-math
endif
$(OUT)/obj/%.o: %.c Makefile VERSION
	@mkdir -p $(@D)
	@echo "  CC $(MODE) $<"
	@$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(HELPERS): $(OUT)/tests/%: $(OUT)/obj/tests/%.o $(SUPPORT) $(LIB)
	@mkdir -p $(@D)
	@$(CC) $(LDFLAGS_$(MODE)) -o $@ $^ $(LIBS)

define suite_rule
$(OUT)/tests/$(1)/run: $(patsubst %.c,$(OUT)/obj/%.o,$(sort $(wildcard tests/$(1)/*.c))) $(SUPPORT) $(LIB)
	@mkdir -p $$(@D)
	@echo "  LD $(MODE) $$@"
	@$(CC) $(LDFLAGS_$(MODE)) -o $$@ $$^ $(LIBS) -lcriterion
endef
$(foreach s,$(SUITES),$(eval $(call suite_rule,$(s))))

# A fuzz target with a plain main that replays its corpus: a regression test in every mode.
$(OUT)/tests/fuzz/%: $(OUT)/obj/tests/fuzz/%.o $(OUT)/obj/tests/fuzz/replay.o $(LIB)
	@mkdir -p $(@D)
	@$(CC) $(LDFLAGS_$(MODE)) -o $@ $^ $(LIBS)
$(OUT)/bin/%: $(OUT)/obj/tests/fuzz/%.o $(LIB)
	@mkdir -p $(@D)
	@$(CC) -fsanitize=fuzzer,address,undefined -o $@ $^ $(LIBS)

.SECONDARY:
-include $(shell find $(OUT) -name '*.d' 2>/dev/null)
