# `make run` and `make test` do all their own set-up; the rest is for developers.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt
MODEL ?=

.PHONY: run test check format clean

# make run                      the web chat and the console, answered by the reviewed library
# make run MODEL=folder-or-id   the same, answered by a local language model
run: $(VENV)/.run $(if $(MODEL),$(VENV)/.llm)
	@$(if $(MODEL),PSYLLM_GENERATOR=transformers PSYLLM_TRANSFORMERS__MODEL='$(MODEL)') $(BIN)/psyllm run

test: check
	@.ci/prepare
	$(BIN)/pytest -n 4 --dist loadfile

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make run PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing, once; about a minute ..."
	@$(PIP) -e .
	@touch $@

$(VENV)/.llm: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing the language-model libraries, once; some minutes ..."
	@$(PIP) -e '.[llm]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing with what the tests need, once; some minutes ..."
	@$(PIP) -e '.[dev]'
	@touch $(VENV)/.run $(VENV)/.llm $@

clean:
	rm -rf $(VENV) tests/emulators/node/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
