# The one runner: `make help` lists what it does. Nothing here needs a network once `make setup` has run.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

BIN := .venv/bin
STAMP := .venv/.set-up
ROWS := gateway/validation/extract/accept_rows.so.1
# Most tests wait for something more than they compute, so four side by side fit two processors.
JOBS ?= 4
PYTEST_ARGS ?=
FUZZ_SECONDS ?= 60
FUZZ_TARGETS ?=

# What Debian has to bring, found by the programs that must be there; sshd is outside an ordinary user's PATH.
export PATH := $(PATH):/usr/sbin:/sbin
PROGRAMS := gpg gpg-agent gpgconf sshd zstd
PACKAGES := gnupg openssh-server zstd python3-venv python3-pip
# What some tests try besides, and are skipped without: nobody needs a virus scanner, or partners' servers and clients of
# other makes, to run a gateway.
TEST_PROGRAMS := clamd systemd-analyze proftpd curl lftp psftp rclone openssl promtool dovecot pg_ctlcluster chromium
TEST_PACKAGES := clamav-daemon systemd proftpd-core proftpd-mod-crypto curl lftp putty-tools rclone openssl prometheus dovecot-imapd postgresql chromium
# What the bench compares with besides, and leaves out where it is missing.
BENCH_PROGRAMS := rclone
BENCH_PACKAGES := rclone
BENCH_ARGS ?=
NODES_ARGS ?=
DEB_ARGS ?=
PYTHON ?= $(shell requirements/find_python.sh)
export UV_PYTHON_DOWNLOADS := never
export UV_NO_PROGRESS := 1
# Images of containers often set it. Every start of a command would then compile all modules again: half a second more.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup system extras demo test check unit unit-fast test-nodes torture fuzz deb lock sbom release clean

help: ## List what there is.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s  %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: system $(STAMP) $(ROWS) ## Install what is missing; then `.venv/bin/gateway` works. Quick the second time.

demo: setup ## DWP and two authorities on this machine, every flow, and a table of what happened.
	$(BIN)/gateway demo

test: setup extras check unit ## All checks and all tests.

check: $(STAMP) ## Lint, format, types, layers.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: $(STAMP) $(ROWS) ## The tests alone: `make unit PYTEST_ARGS=tests/unit`.
	$(BIN)/pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder -m "not torture" $(PYTEST_ARGS)

unit-fast: $(STAMP) $(ROWS) ## The tests that start nothing: for every change of a line.
	$(BIN)/pytest -q -n0 -m fast tests/unit $(PYTEST_ARGS)

test-nodes: setup ## Several nodes, on Debian's PostgreSQL: the contract suites, the demonstration, every fault. Prints what was tried and lost.
	@$(MAKE) --no-print-directory extras TEST_PROGRAMS=pg_ctlcluster TEST_PACKAGES=postgresql
	$(BIN)/python -m tests.nodes $(NODES_ARGS)

torture: setup extras ## Every crash point, seed and attack, and what was lost. Under half an hour.
	$(BIN)/pytest -n $(JOBS) --hypothesis-profile=thorough -m "torture or hypothesis" $(PYTEST_ARGS)

fuzz: $(STAMP) ## Fuzz every reader of what others wrote, FUZZ_SECONDS each (60).
	@PATH="$$PWD/.venv-tools/bin:$$PATH"; $(BIN)/python -c 'import atheris' 2>/dev/null \
	    || VIRTUAL_ENV="$$PWD/.venv" uv pip install --quiet --require-hashes -r requirements/fuzz.txt
	$(BIN)/pytest -q -n0 tests/fuzz
	$(BIN)/python -m tests.fuzz.campaign --seconds $(FUZZ_SECONDS) --jobs $(JOBS) $(FUZZ_TARGETS)

bench: setup ## The whole job beside scripts and rclone, with tables and plots. `make bench BENCH_ARGS=--quick`: three minutes.
	@$(MAKE) --no-print-directory extras TEST_PROGRAMS='$(BENCH_PROGRAMS)' TEST_PACKAGES='$(BENCH_PACKAGES)'
	$(BIN)/gateway bench --out docs/measured $(BENCH_ARGS)
	$(BIN)/python docs/generate.py

deb: $(STAMP) $(ROWS) ## A Debian package of this commit, in dist: for the Debian that it is built on.
	@PATH="$$PWD/.venv-tools/bin:$$PATH" $(BIN)/python debian/build.py $(DEB_ARGS)

system:
	@missing=; for program in $(PROGRAMS); do \
	    command -v "$$program" >/dev/null || missing="$$missing $$program"; \
	done; \
	python='$(PYTHON)'; [ -n "$$python" ] && "$$python" -c 'import ensurepip, venv' 2>/dev/null || missing="$$missing python3-venv"; \
	if [ -n "$$missing" ]; then \
	    echo "missing:$$missing" >&2; \
	    if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	        export DEBIAN_FRONTEND=noninteractive; \
	        apt-get update -qq </dev/null; \
	        apt-get install -y -qq --no-install-recommends $(PACKAGES) </dev/null; \
	    else \
	        echo "as root, run: apt-get install -y $(PACKAGES)" >&2; exit 69; \
	    fi; \
	fi

# A failure here fails nothing: the tests that need it say that they were skipped, and why; so does the bench.
# Debian starts a server as soon as it is installed: tests start ProFTPD, Dovecot and PostgreSQL themselves, and of Prometheus take
# promtool alone, so their units are masked first, where the server is not there yet. Without systemd, RUNLEVEL=1 tells invoke-rc.d to start none.
extras:
	@missing=; for program in $(TEST_PROGRAMS); do \
	    command -v "$$program" >/dev/null || missing="$$missing $$program"; \
	done; \
	if [ -n "$$missing" ]; then \
	    echo "not needed, but missing:$$missing" >&2; \
	    if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	        export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1; \
	        for server in proftpd:proftpd prometheus:prometheus dovecot:dovecot postgresql:pg_ctlcluster; do \
	            if command -v systemctl >/dev/null && ! command -v $${server#*:} >/dev/null; then \
	                systemctl --quiet mask $${server%:*}.service </dev/null || true; \
	            fi; \
	        done; \
	        { apt-get update -qq && apt-get install -y -qq --no-install-recommends $(TEST_PACKAGES); } </dev/null \
	            || echo "not installed: what needs it is left out" >&2; \
	    else \
	        echo "what needs it is left out; as root, run: apt-get install -y $(TEST_PACKAGES)" >&2; \
	    fi; \
	fi

# Everything Python comes from the lock, by hash. The project itself is installed in place, without its own requirements,
# and built by what the lock brought.
$(STAMP): requirements/dev.txt requirements/uv.txt pyproject.toml
	@python='$(PYTHON)'; [ -n "$$python" ] || python=$$(command -v python3); \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed" >&2; exit 69; }; \
	uv=uv; \
	if ! uv --version >/dev/null 2>&1; then \
	    uv=.venv-tools/bin/uv; \
	    if ! "$$uv" --version >/dev/null 2>&1; then \
	        "$$python" -m venv --clear .venv-tools; \
	        .venv-tools/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt; \
	    fi; \
	fi; \
	if ! $(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
	    "$$uv" venv --quiet --clear --python "$$("$$python" -c 'import sys; print(sys.executable)')" .venv; \
	fi; \
	export VIRTUAL_ENV="$$PWD/.venv"; \
	"$$uv" pip sync --quiet --compile-bytecode --require-hashes requirements/dev.txt; \
	"$$uv" pip install --quiet --no-deps --no-build-isolation --editable .; \
	$(BIN)/gateway --version; \
	touch $@

# Without a C compiler this says so, fails nothing, and is tried again the next time. A library that is not whole is made anew.
ifneq ($(shell cat $(ROWS).sha256 2>/dev/null),$(shell sha256sum 2>/dev/null <$(ROWS) | cut -c1-64))
.PHONY: $(ROWS)
endif
$(ROWS): $(ROWS:.so.1=.c) tools/compile_rows.py | $(STAMP)
	$(BIN)/python tools/compile_rows.py

COMPILE = uv pip compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links --universal --python-version 3.11

lock: ## Make the locks anew from pyproject.toml; versions stay unless it asks for others.
	$(COMPILE) pyproject.toml -o requirements/run.txt
	$(COMPILE) --extra dev pyproject.toml -c requirements/run.txt -o requirements/dev.txt
	$(COMPILE) --extra timestamps pyproject.toml -c requirements/run.txt -o requirements/timestamps.txt
	$(COMPILE) --extra postgresql pyproject.toml -c requirements/run.txt -o requirements/postgresql.txt
	$(COMPILE) --extra nodes pyproject.toml -c requirements/run.txt -o requirements/nodes.txt
	$(COMPILE) --extra traces pyproject.toml -c requirements/run.txt -o requirements/traces.txt
	echo uv | $(COMPILE) - -o requirements/uv.txt
	printf '%s\n' 'atheris<3.1; python_version < "3.12"' 'atheris>=3.1; python_version >= "3.12"' \
	    | $(COMPILE) - -o requirements/fuzz.txt

sbom: $(STAMP) ## Write gateway/sbom.cdx.json anew: what is installed with the program, by the lock.
	$(BIN)/python tools/sbom.py

release: $(STAMP) ## Tag this commit as the version of pyproject.toml, if everything agrees; RELEASE_ARGS=--check only looks.
	$(BIN)/python tools/release.py $(RELEASE_ARGS)

clean: ## Remove what was installed and built here.
	rm -rf $(ROWS) .venv .venv-tools .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .fuzz dist demo
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
