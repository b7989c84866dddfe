# make demo: set up, then train, convert, quantise and run on real digits.   make test: set up, lint, run the tests.
# PYTHON chooses the interpreter (3.10 to 3.13), VENV the folder of the environment, JOBS the test processes.

PYTHON ?= python3
VENV ?= .venv
JOBS ?= 2

PIP := $(VENV)/bin/python -m pip --disable-pip-version-check --quiet
SOURCES := $(shell find inflor converter quant targets -name '*.py' -o -name '*.yaml' -o -name py.typed)
PINS := pyproject.toml constraints.txt

.NOTPARALLEL:
.PHONY: setup runtime lava demo test lint bench clean

setup: $(VENV)/.dev $(VENV)/.lava $(VENV)/.installed

runtime: $(VENV)/.installed

lava: $(VENV)/.lava $(VENV)/.installed

demo: runtime
	$(VENV)/bin/inflor demo --out runs/demo

# One thread for each of the processes: threads that outnumber the cores wait for each other.
test: setup lint
	OMP_NUM_THREADS=1 $(VENV)/bin/pytest -n $(JOBS)

lint: setup
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

bench: setup
	set -e; for file in benchmarks/*.py; do echo "$$file"; $(VENV)/bin/python "$$file"; done

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' || \
	  { echo "$(PYTHON) is not Python 3.10 to 3.13; name one: make PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "$(PYTHON) cannot make an environment; Debian and Ubuntu have that in python3-venv" >&2; exit 1; }
	@touch $@

# constraints.txt pins torch: left to itself, pip takes whichever build is the newest.
$(VENV)/.requirements: $(VENV)/.python $(PINS)
	@echo "installing what inflor needs into $(VENV)"
	@$(PIP) install -c constraints.txt .
	@touch $@

$(VENV)/.dev: $(VENV)/.requirements
	@echo "installing what its tests need"
	@$(PIP) install -c constraints.txt '.[dev]'
	@touch $@

# lava-nc declares Python 3.10 and numpy 1 only, and needs neither (docs/loihi.md); lava-dl is the peer of one test.
$(VENV)/.lava: $(VENV)/.requirements
	@echo "installing Lava, for the target loihi"
	@$(PIP) install -c constraints.txt '.[lava]'
	@$(PIP) install --ignore-requires-python --no-deps lava-nc==0.10.0 lava-dl==0.6.0
	@touch $@

# A build folder that is left over would bring back files that are deleted since.
$(VENV)/.installed: $(VENV)/.requirements $(SOURCES)
	@rm -rf build
	@$(PIP) install --no-deps --force-reinstall .
	@rm -rf build
	@touch $@
