# make demo, make test and make check each do all the set-up; it takes about two minutes, once.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: help setup demo test check format clean

help:
	@echo "make demo    trains three teachers and distils them into one student (recipes/digits.yaml)"
	@echo "make test    runs the tests"
	@echo "make check   runs ruff, mypy and import-linter"
	@echo "make format  formats the code"
	@echo "make clean   removes the virtual environment and what the demo stored"

setup: $(INSTALLED)

# The environment is made anew only when what it holds has changed.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info[:2] == (3, 11) else "stillhouse needs Python 3.11, and $(PYTHON) is another: give it with make PYTHON=/path/to/python3.11")'
	@echo "Setting up $(VENV) (about two minutes, once) ..."
	@$(PYTHON) -m venv --clear $(VENV)
	@PIP_CONSTRAINT=constraints.txt $(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--editable '.[dev]'
	@touch $@

demo: setup
	@$(BIN)/stillhouse run recipes/digits.yaml

# Two files at a time: many tests wait for processes of their own.
test: setup
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

check: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: setup
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

clean:
	rm -rf $(VENV) .stillhouse .mypy_cache .ruff_cache .hypothesis
