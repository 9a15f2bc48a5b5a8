# The verbs of the project: run, test, lint, bench. Everything is installed into .venv on first use.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: help run test lint format bench lock sbom clean

help:
	@echo "make run     start the platform with ten simulated meters and read them (ONCE=1: then stop; PORT=8000)"
	@echo "make test    the whole test suite, on SQLite and on PostgreSQL + RabbitMQ (ARGS='-k clock tests/adhoc')"
	@echo "make lint    ruff, mypy and the import contracts"
	@echo "make format  rewrite the code in the project's format"
	@echo "make bench   measure; writes bench.json"
	@echo "make lock    write requirements.lock: what production installs, with digests"
	@echo "make sbom    write sbom.json, the bill of materials of what production installs (CycloneDX)"
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

lock: .venv-release/.installed
	@.venv-release/bin/uv pip compile requirements.txt --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-emit-find-links --no-annotate --quiet --upgrade \
		--custom-compile-command "make lock" --output-file requirements.lock

# Of an environment with nothing else in it.
sbom: .venv-release/.installed
	@rm -rf .venv-production && $(PYTHON) -m venv .venv-production
	@.venv-production/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@.venv-release/bin/cyclonedx-py environment --pyproject pyproject.toml --output-format JSON \
		--output-file sbom.json .venv-production/bin/python
	@rm -rf .venv-production

clean:
	rm -rf .venv .venv-release .venv-production .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
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

.venv-release/.installed: requirements-release.txt
	@$(PYTHON) -m venv .venv-release
	@.venv-release/bin/pip install --quiet --disable-pip-version-check -r requirements-release.txt
	@touch $@

.venv/.development: requirements-dev.txt requirements.txt constraints.txt | .venv/bin/python
	@echo "Installing requirements-dev.txt into .venv ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@
