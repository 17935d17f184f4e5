# Needs make and Python 3.11 or newer, nothing else. `make` alone lists the commands.

HOST ?= 127.0.0.1
PORT ?= 8000
ARGS ?=
OUT ?=

PYTHON ?= $(shell for name in python3.14 python3.13 python3.12 python3.11 python3; do \
	command -v $$name >/dev/null 2>&1 && \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && \
	echo $$name && break; done)

VENV := .venv
PY := $(VENV)/bin/python
UV := uv

.PHONY: help run test coverage check docs audit new subtract conformance format bench bench-long \
	profile migration messages openapi sbom wheel lock clean

help: ## List the commands
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 18

run: export LATCHKEY_ENVIRONMENT = development
run: $(VENV)/.run ## Migrate, load demo data into an empty database, serve on HOST and PORT
	@$(PY) -m app db upgrade --json >/dev/null
	@$(PY) -m app seed-demo --if-empty --json >/dev/null
	@exec $(PY) -m app serve --host $(HOST) --port $(PORT)

# The tests start hundreds of processes, which need not compile the same files each time.
test coverage: export PYTHONDONTWRITEBYTECODE =
test: $(VENV)/.dev ## Run all tests, on SQLite and PostgreSQL (ARGS="-k token" for some)
	@$(PY) -m pytest -n auto --dist loadfile $(ARGS)

coverage: $(VENV)/.dev ## The same with branch coverage, of which there has to be enough (slower by half)
	@$(PY) -m pytest -n auto --dist loadfile --cov --cov-report=term --cov-report=json $(ARGS)
	@$(PY) -m scripts.branch_coverage

check: $(VENV)/.dev ## Lint, format, types, import layers, migrations match models
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports --no-logo
	@$(PY) -m scripts.check_migrations

docs: $(VENV)/.tools ## Build the documents as a site in site/, to be read offline
	@$(PY) -m scripts.documents build/docs
	@NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict --quiet

audit: $(VENV)/.tools ## Look the locked dependencies up among known vulnerabilities, as PyPI tells them
	@$(VENV)/bin/pip-audit --require-hashes --disable-pip -r requirements.lock

new: $(VENV)/.dev ## Begin a project of your own from this one: make new NAME=acme-id (FEATURES=… LANGUAGES=… DIR=…)
	@test -n "$(NAME)" || { echo 'Say what it is called: make new NAME=acme-id'; exit 2; }
	@$(PY) -m scripts.new "$(NAME)" $(if $(DIR),--dir "$(DIR)") $(if $(FEATURES),--features "$(FEATURES)") \
		$(if $(LANGUAGES),--languages "$(LANGUAGES)")

subtract: $(VENV)/.dev ## Delete features from copies, so that every two are apart and gone: the rest stays whole
	@$(PY) -m scripts.subtract_features $(ARGS)

conformance: $(VENV)/.dev ## Write docs/conformance.md: the clauses of the specifications, and their tests
	@$(PY) -m scripts.conformance

format: $(VENV)/.dev ## Format, and mend what the linter can mend
	@$(VENV)/bin/ruff format .
	@$(VENV)/bin/ruff check --fix .

bench: $(VENV)/.dev ## Run the benchmarks and print ratios (some minutes)
	@$(PY) -m scripts.bench $(ARGS)

bench-long: $(VENV)/.dev ## The same for half an hour a row, in one round (hours)
	@$(PY) -m scripts.bench --seconds 1800 --rounds 1 $(ARGS)

profile: $(VENV)/.dev ## Draw a flame graph of one row of the benchmarks (ARGS="--only refresh")
	@PATH="$(VENV)/bin:$$PATH" $(PY) -m scripts.bench.profile $(ARGS)

migration: $(VENV)/.dev ## Write a migration from the models: make migration MESSAGE="add x"
	@test -n "$(MESSAGE)" || { echo 'Say what it does: make migration MESSAGE="add x"'; exit 2; }
	@rm -f .migration.db
	@LATCHKEY_ENVIRONMENT=development LATCHKEY_DATABASE_URL=sqlite:///./.migration.db \
		sh -c '$(VENV)/bin/alembic upgrade head && $(VENV)/bin/alembic revision --autogenerate -m "$(MESSAGE)"'
	@rm -f .migration.db
	@$(VENV)/bin/ruff format -q migrations

messages: $(VENV)/.dev ## Bring the catalogues up to date with what the code says (ARGS=it begins a language)
	@$(PY) -m scripts.messages $(ARGS)

openapi: $(VENV)/.dev ## Write the OpenAPI document to docs/openapi.json, or to OUT
	@$(PY) -m scripts.openapi $(or $(OUT),docs/openapi.json)

sbom: $(VENV)/.tools ## Write what a deployment consists of to sbom.cdx.json, or to OUT (CycloneDX)
	@PYTHONWARNINGS=ignore $(VENV)/bin/cyclonedx-py requirements requirements.lock --pyproject pyproject.toml \
		--mc-type application --output-reproducible -o $(or $(OUT),sbom.cdx.json)

wheel: $(VENV)/.dev ## Build the wheel into dist/
	@$(PY) -m pip wheel -q --disable-pip-version-check --no-deps --no-build-isolation -w dist .

lock: ## Renew the lock files from pyproject.toml (needs uv)
	$(UV) pip compile -q --universal --upgrade --generate-hashes --no-strip-extras --no-emit-index-url \
		--python-version 3.11 --custom-compile-command "make lock" \
		--group build pyproject.toml -o requirements.lock
	$(UV) pip compile -q --universal --upgrade --generate-hashes --no-strip-extras --no-emit-index-url \
		--python-version 3.11 --custom-compile-command "make lock" \
		--group build --group dev -c requirements.lock pyproject.toml -o requirements-dev.lock
	$(UV) pip compile -q --universal --upgrade --generate-hashes --no-strip-extras --no-emit-index-url \
		--python-version 3.11 --custom-compile-command "make lock" \
		--group tools -c requirements-dev.lock -o requirements-tools.lock

clean: ## Remove the virtual environment and the caches, not the database
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage \
		coverage.json build site

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Latchkey needs Python 3.11 or newer."; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
		{ echo "Python lacks venv. On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@echo "Creating $(VENV) with $(PYTHON)"
	@$(PYTHON) -m venv $(VENV)

# The stamps say which lock is installed. The development set contains the other.
$(VENV)/.run: requirements.lock pyproject.toml | $(VENV)/bin/python
	@test -f $(VENV)/.dev || { echo "Installing the locked dependencies"; \
		$(PY) -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock; }
	@$(PY) -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements-dev.lock pyproject.toml | $(VENV)/bin/python
	@echo "Installing the locked development dependencies"
	@$(PY) -m pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(PY) -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.tools: requirements-tools.lock | $(VENV)/.dev
	@echo "Installing the locked tools of documents and releases"
	@$(PY) -m pip install -q --disable-pip-version-check --require-hashes -r requirements-tools.lock
	@touch $@
