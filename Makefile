# Two commands on a fresh machine: `make demo` and `make test`. Each sets up what it needs in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Tests start many processes that import torch; where PYTHONDONTWRITEBYTECODE is set, each would read its sources again (17 seconds for 2).
COMPILED = $(BIN)/python -m compileall -q -j 0 $(VENV)/lib >/dev/null 2>&1 || true
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --no-compile --constraint constraints.txt

.PHONY: demo test check fix bench test-oldest clean

demo: $(VENV)/demo.stamp
	$(BIN)/limbeck demo --out runs/shop

# One process for each core; a file's tests stay together, since they share what they set up.
PYTEST := -m pytest --numprocesses auto --dist loadfile

test: check
	$(BIN)/python $(PYTEST)

check: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

fix: $(VENV)/dev.stamp
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/dev.stamp
	$(BIN)/python benchmarks/banking77.py --part skeleton --work work --json work/banking77-skeleton.json

# The suite on the oldest versions that pyproject.toml admits, in an environment of its own.
test-oldest:
	test -x .venv-oldest/bin/python || $(PYTHON) -m venv .venv-oldest
	.venv-oldest/bin/python -m pip --disable-pip-version-check install --quiet --constraint constraints-oldest.txt --editable ".[dev]"
	.venv-oldest/bin/python $(PYTEST)

clean:
	rm -rf .venv .venv-oldest build dist runs work

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# torch comes first and by its exact version, so that a CPU build that is at hand is taken and kept.
$(VENV)/demo.stamp: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) torch
	$(PIP) --editable ".[demo]"
	$(COMPILED)
	touch $@

$(VENV)/dev.stamp: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) torch
	$(PIP) --editable ".[dev]"
	$(COMPILED)
	touch $@ $(VENV)/demo.stamp
