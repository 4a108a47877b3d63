# The project's commands. `make demo` and `make test` install what they need first.
PYTHON ?= python3
BIN := .venv/bin
HOME_DIR ?= data
FEED = $(or $(NASCAR_FEED),$(if $(NASCAR_REAL_DATA),$(NASCAR_REAL_DATA)/feed))

# Compiled modules are kept, whatever the shell says: demo and tests start hundreds of processes.
unexport PYTHONDONTWRITEBYTECODE

# What a change is tried with again and again: no server, browser, daemon, home or real data.
FAST = not (server or browser or neo4j or postgres or s3 or broker or home or faults or real_data or slow)

# Two processes with a thread each: more threads on two cores only wait for each other. Numba keeps its
# own, which tests compare with one, but they wait asleep: turning, they take the other process's core. A file
# stays with one process, which makes its homes and servers once; conftest.py says in what order they go.
PYTEST = OMP_WAIT_POLICY=passive POLARS_MAX_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: setup system demo check test lint lock bench backtest test-faults test-hosts clean

setup: .venv/.installed

.venv/.installed: requirements.lock pyproject.toml scripts/setup.sh scripts/bootstrap.lock
	PYTHON=$(PYTHON) bash scripts/setup.sh

system:
	bash scripts/system-packages.sh

demo: setup
	$(BIN)/nascar demo

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	NASCAR_HOME=$(CURDIR)/.cache/home $(BIN)/dg check defs

check: lint
	NASCAR_EXAMPLES=0.25 $(PYTEST) -m "$(FAST)"

test: setup system lint
	bash scripts/neo4j.sh install
	bash scripts/s3.sh install || echo 'The tests on an S3 server are skipped.' >&2
	$(PYTEST) --durations=30 --durations-min=5

test-faults: setup system
	bash scripts/neo4j.sh install
	NASCAR_FAULT_ROUNDS=50 $(BIN)/pytest -m faults

# Hosts are network namespaces of one that is the test's own: root alone may make them. ROUNDS says
# how often a host vanishes or a server goes away; RACES how many races are backfilled.
test-hosts: setup system
	bash scripts/s3.sh install
	NASCAR_HOSTS_ROUNDS=$(or $(ROUNDS),10) NASCAR_HOSTS_RACES=$(or $(RACES),60) \
		unshare --net --mount $(BIN)/pytest -s nascar_assets_tests/orchestration/test_hosts.py

# After a change of what pyproject.toml asks for; add --upgrade to uv lock for newer versions.
lock: setup
	$(BIN)/uv lock
	$(BIN)/uv export --locked --no-emit-project --no-header --format requirements-txt --output-file requirements.lock --quiet

bench: setup
	$(BIN)/python -m benchmarks

backtest: setup
	$(if $(FEED),,$(error No feed is named: set NASCAR_FEED to a folder like the feed, or NASCAR_REAL_DATA to the folder that holds it as feed/))
	$(BIN)/nascar backtest --feed "$(FEED)" --series cup --from 2023-01-01 --to 2026-12-31 --out $(HOME_DIR)/backtest

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
