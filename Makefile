# The project's commands. `make demo` and `make test` install what they need first.
PYTHON ?= python3
BIN := .venv/bin
HOME_DIR ?= data

.PHONY: setup system demo test lint bench backtest test-faults clean

setup: .venv/.installed

.venv/.installed: requirements.lock pyproject.toml scripts/setup.sh
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

test: setup system lint
	bash scripts/neo4j.sh install
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

test-faults: setup system
	bash scripts/neo4j.sh install
	NASCAR_FAULT_ROUNDS=50 $(BIN)/pytest -m faults

bench: setup
	$(BIN)/python -m benchmarks

backtest: setup
	$(BIN)/nascar backtest --feed $(or $(NASCAR_FEED),$(NASCAR_REAL_DATA)/feed) --series cup --from 2023-01-01 --to 2026-12-31 --out $(HOME_DIR)/backtest

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
