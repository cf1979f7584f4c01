# `make run` and `make test` do all their own set-up; everything else is for developers.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
MODEL ?=

.PHONY: run test lint type arrows format clean

run: $(VENV)/.run
	@$(if $(MODEL),$(BIN)/pip install -q -c constraints.txt -e '.[llm]' && PSYLLM_GENERATOR=transformers PSYLLM_TRANSFORMERS__MODEL='$(MODEL)') $(BIN)/psyllm run

test: $(VENV)/.dev
	@.ci/prepare
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing (once, about a minute) ..."
	@$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing with the tools for the tests (once, a few minutes) ..."
	@$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $(VENV)/.run $@

clean:
	rm -rf $(VENV) node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
