# make demo: set up, then train, convert, quantize and run on real digits.
# make test: set up, lint, run the tests of the fast tier.   make test-all: every test, and files mutated at random.
# make fuzz N=10000: files of every kind, mutated.   make faults N=200: commands, killed while they work.
# make draw: the property tests on new draws.
# PYTHON chooses the interpreter (3.10 to 3.13), VENV the folder of the environment, JOBS the test processes.

PYTHON ?= python3
VENV ?= .venv
JOBS ?= 2

# Bytecode is written for what is imported, when it is; to compile all of torch first takes longer.
PIP := PIP_NO_COMPILE=1 $(VENV)/bin/python -m pip --disable-pip-version-check --quiet
SOURCES := $(shell find inflor converter quant targets -name '*.py' -o -name '*.yaml' -o -name py.typed -o -name '*.pyi' -o -path '*/page/*' -type f)
PINS := pyproject.toml constraints.txt
BRIAN2 := $(abspath $(VENV))/brian2

.NOTPARALLEL:
.PHONY: setup runtime lava peers demo test test-all draw fuzz faults lint bench clean

setup: $(VENV)/.dev $(VENV)/.lava $(VENV)/.spinnaker $(VENV)/.brian2 $(VENV)/.peers $(VENV)/.installed

runtime: $(VENV)/.installed

lava: $(VENV)/.lava $(VENV)/.installed

peers: $(VENV)/.peers $(VENV)/.installed

demo: runtime
	$(VENV)/bin/inflor demo --out runs/demo

# One thread for each of the processes: threads that outnumber the cores wait for each other.
PYTEST = OMP_NUM_THREADS=1 INFLOR_BRIAN2=$(BRIAN2)/bin/python $(VENV)/bin/pytest -n $(JOBS) --dist worksteal

test: setup lint
	$(PYTEST) -m "not slow"

test-all: setup lint
	INFLOR_LOIHI_EXAMPLES=25 $(PYTEST)
	$(VENV)/bin/python tests/faults/fuzz.py 2000 0
	$(VENV)/bin/python tests/faults/kill.py 40 0

# The property tests alone, on networks that nobody has seen yet; what fails here becomes a test of its own.
draw: setup
	OMP_NUM_THREADS=1 $(VENV)/bin/pytest -n $(JOBS) --dist worksteal -m hypothesis --hypothesis-profile=anew

# Other mutants, and other kills, with another FIRST.
FIRST ?= 0

fuzz: N ?= 10000
fuzz: setup
	$(VENV)/bin/python tests/faults/fuzz.py $(N) $(FIRST)

faults: N ?= 200
faults: setup
	$(VENV)/bin/python tests/faults/kill.py $(N) $(FIRST)

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
	@$(PIP) install -c constraints.txt '.[dev,peers]'
	@touch $@

# lava-nc declares Python 3.10 and numpy 1 only, and needs neither (docs/loihi.md); lava-dl is the peer of one test.
$(VENV)/.lava: $(VENV)/.requirements
	@echo "installing Lava, for the target loihi"
	@$(PIP) install -c constraints.txt '.[lava]'
	@$(PIP) install --ignore-requires-python --no-deps lava-nc==0.10.0 lava-dl==0.6.0
	@touch $@

# Frameworks whose networks are read and written. What they declare and [peers] lacks would move torch and nir.
# neurobench and SANA-FE count what a run costs; SANA-FE (GPL) only ever runs in a process of its own.
$(VENV)/.peers: $(VENV)/.dev
	@echo "installing the frameworks that networks come from and go to"
	@$(PIP) install --no-deps norse==1.1.0 spikingjelly==2.0.0 sinabs==3.1.3 rockpool==3.1.0
	@$(PIP) install --no-deps -c constraints.txt neurobench==2.3.0 sanafe==2.2.9 tqdm
	@touch $@

# sPyNNaker is a peer of the tests: it maps on a virtual board, in folders of theirs. matplotlib draws boards.
$(VENV)/.spinnaker: $(VENV)/.requirements
	@echo "installing sPyNNaker and matplotlib, for the peer tests and drawings of the target spinnaker"
	@$(PIP) install -c constraints.txt '.[spinnaker,draw]'
	@touch $@

# An environment of its own: Brian2 2.9 wraps numpy.ndarray.ptp, which numpy 2.4 has no more.
$(VENV)/.brian2: $(VENV)/.python
	@echo "installing Brian2, the peer of one test, into $(BRIAN2)"
	@$(PYTHON) -m venv $(BRIAN2)
	@PIP_NO_COMPILE=1 $(BRIAN2)/bin/python -m pip --disable-pip-version-check --quiet install brian2==2.9.0 'numpy<2.4'
	@touch $@

# A build folder that is left over would bring back files that are deleted since.
$(VENV)/.installed: $(VENV)/.requirements $(SOURCES)
	@rm -rf build
	@$(PIP) install --no-deps --force-reinstall .
	@rm -rf build
	@touch $@
