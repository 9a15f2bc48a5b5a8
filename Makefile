# The verbs of the project: run, test, lint, bench. Everything is installed into .venv on first use.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: help run test lint format bench clean

help:
	@echo "make run     start the platform with ten simulated meters and read them (ONCE=1: then stop; PORT=8000)"
	@echo "make test    the whole test suite, on SQLite and on PostgreSQL + RabbitMQ (ARGS='-k clock tests/adhoc')"
	@echo "make lint    ruff, mypy and the import contracts"
	@echo "make format  rewrite the code in the project's format"
	@echo "make bench   measure; writes bench.json"
	@echo "make clean   remove .venv and the caches; data in var/ stays"

# The embedded default, whatever database and broker the environment names for other purposes.
run: .venv/.runtime
	@env -u DATABASE_URL -u BROKER_URL OSGP_EMBEDDED=1 $(BIN)/python manage.py run $(if $(ONCE),--once) $(if $(PORT),--port $(PORT))

test: .venv/.development
	@$(BIN)/python -m scripts.test $(ARGS)

lint: .venv/.development
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: .venv/.development
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: .venv/.development
	@$(BIN)/python -m scripts.bench $(ARGS)

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; name it with: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@[ -w . ] || { echo "This folder cannot be written to: .venv and var/ are made here." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
		|| { echo "The venv module is missing. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }

.venv/.runtime: requirements.txt constraints.txt | .venv/bin/python
	@echo "Installing requirements.txt into .venv ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/.development: requirements-dev.txt requirements.txt constraints.txt | .venv/bin/python
	@echo "Installing requirements-dev.txt into .venv ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@
