# make demo, make test and make check each do the set-up that they need.

# The tests run on Python 3.11; newer versions are not refused.
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$python && break; done)
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
TOOLS := $(VENV)/.installed-tools

# pip compiles on one core, and tests of packages as well; compileall takes all cores.
PIP := PIP_CONSTRAINT=constraints.txt $(BIN)/python -m pip -qq --disable-pip-version-check \
	install --no-compile
COMPILE := $(BIN)/python -m compileall -q -j 0 -x '/tests?/' $(VENV)/lib >/dev/null 2>&1 || true

.PHONY: help setup demo test check format clean

help:
	@echo "make demo    trains three teachers and distils them into one student (recipes/digits.yaml)"
	@echo "make test    runs the tests"
	@echo "make check   runs ruff, mypy and import-linter"
	@echo "make format  formats the code"
	@echo "make clean   removes the virtual environment and what the demo stored"
	@echo "PYTHON=/path/to/python3 chooses the Python, 3.11 or newer (now: $(PYTHON))"

setup: $(INSTALLED)

# The environment is made again only when its contents have changed.
$(INSTALLED): pyproject.toml constraints.txt
	@$(or $(PYTHON),false) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "stillhouse needs Python 3.11 or newer; give it with make PYTHON=/path/to/python3.11" >&2; \
		exit 2; }
	@echo "Setting up $(VENV) with $(PYTHON) (one to two minutes, once) ..."
	@$(PYTHON) -m venv --clear $(VENV)
	@$(PIP) --upgrade pip  # An old one resolves three times as long.
	@$(PIP) --editable .
	@$(COMPILE)
	@touch $@

# The tools of the tests and checks.
$(TOOLS): $(INSTALLED)
	@$(PIP) --editable '.[dev,postgres]'
	@$(COMPILE)
	@touch $@

demo: $(INSTALLED)
	@$(BIN)/stillhouse run recipes/digits.yaml

# Two files at a time: many tests wait for processes that they start.
test: $(TOOLS)
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

check: $(TOOLS)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(TOOLS)
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

clean:
	rm -rf $(VENV) .stillhouse .mypy_cache .ruff_cache .hypothesis
