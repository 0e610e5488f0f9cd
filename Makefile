# make figures, make test: each works as the first command after a clone; `make help` lists the rest.
VENV ?= .venv
PYTHON3 ?= python3
PY := $(VENV)/bin/python
STAMP := $(VENV)/.stamp
IMPL ?= mine.py
LAB ?= lab.ipynb
DIR ?= hand_in

export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1
export MKL_NUM_THREADS := 1
export MPLBACKEND := Agg

SCRIPTS := $(sort $(wildcard figures/fig[0-9][0-9]_*.py))
NAMES := $(SCRIPTS:figures/%.py=%)
PICTURES := $(NAMES:%=figures/out/%.png)
NUMBERS := $(foreach name,$(NAMES),$(firstword $(subst _, ,$(name))))
SOURCES := $(wildcard rnnvae_ref/*.py rnnvae_ref/datasets/*) figures/style.py figures/baselines.py figures/house.mplstyle figures/__main__.py

.PHONY: figures study publish slides test skeleton check notebook class bench lint clean help $(NUMBERS)
.DELETE_ON_ERROR:
.SECONDARY:
.SECONDEXPANSION:

figures: $(PICTURES)  ## all figures in figures/out, then fresh beside published numbers
	@$(PY) -m figures --compare || true  # a number outside its tolerance is told, and no reason to stop

$(NUMBERS): $$(filter figures/out/$$@_%,$(PICTURES))  ## (fig01, fig02 ..) one figure

# One run of a script makes all three files: a pattern rule says so in every GNU Make.
figures/out/%.png figures/out/%.pdf figures/out/%.json: figures/%.py $(SOURCES) | $(STAMP)
	@$(PY) -m figures $*

study: | $(STAMP)  ## the full experiment matrix, about 12 minutes, in figures/out
	$(PY) -m figures --study

publish: | $(STAMP)  ## refresh figures/published, what README shows (STUDY=--study for the full matrix)
	$(PY) -m figures --publish $(STUDY)

slides: | $(STAMP)  ## the figures that derivations/teaching.md puts on the screen, 16:9, in figures/out/slides
	@$(PY) -m figures.slides

test: | $(STAMP)  ## all tests, and the examples in README
	$(PY) -m pytest

skeleton: | $(STAMP)  ## the exercises' file to fill in, mine.py (IMPL=another.py)
	@$(PY) -m tests.exercises.skeleton "$(IMPL)"

check: | $(STAMP)  ## grade it: IMPL=mine.py (wrong answers are no error of make's); more with CHECK="-m ex3 --seed 1 --json out.json"
	@$(PY) -m pytest tests/exercises --impl "$(IMPL)" --no-header -p no:cacheprovider --tb=no -rN $(CHECK) || test $$? -eq 1

notebook: | $(STAMP)  ## the lab as a notebook, lab.ipynb (LAB=another.ipynb)
	@$(PY) -m tests.exercises.notebook "$(LAB)"

class: | $(STAMP)  ## grade all files of a folder: DIR=hand_in; marks in hand_in_marks; more with CLASS="--seed 1 --points mine.csv"
	@$(PY) -m tests.exercises.classroom "$(DIR)" $(CLASS)

bench: | $(STAMP)  ## speed against PyTorch and JAX, which only this target installs; about five minutes (PUBLISH=--publish)
	@$(PY) -c "import torch, jax" 2>/dev/null || $(PY) -m pip install --quiet --disable-pip-version-check $$( \
	  $(PY) -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['optional-dependencies']['bench'])")
	$(PY) -m tests.benchmarks $(PUBLISH)

lint: | $(STAMP)  ## style, with ruff
	@$(PY) -m ruff --version >/dev/null 2>&1 || $(PY) -m pip install --quiet --disable-pip-version-check "ruff>=0.6"
	$(PY) -m ruff check . && $(PY) -m ruff format --check .

clean:  ## remove what was made, but not the published figures
	rm -rf figures/out $(VENV) build *.egg-info .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

help:  ## this list
	@sed -n 's/^\([a-z$$(][A-Za-z()]*\):.*## \(.*\)/\1: \2/p' Makefile | sed 's/$$(NUMBERS)/figNN/'

# Where .venv has what requirements.txt names, or a network is missing, nothing is installed.
$(STAMP): requirements.txt
	@$(PYTHON3) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or later is needed; this is `$(PYTHON3) --version 2>&1`. Give another: make PYTHON3=python3.12"; exit 1; }
	@test -x $(PY) || $(PYTHON3) -m venv $(VENV) >/dev/null 2>&1 || \
	  { echo "$(PYTHON3) cannot make a virtual environment; on Debian and Ubuntu: apt install python3-venv"; rm -rf $(VENV); exit 1; }
	@$(PY) -c "$$INSTALLED" || { \
	  echo "Installing numpy, autograd, scipy, matplotlib and pytest into $(VENV) ..."; \
	  $(PY) -m pip install --quiet --disable-pip-version-check -r requirements.txt || { \
	    $(PY) -c "import autograd, matplotlib, numpy, pytest, scipy" 2>/dev/null && \
	    echo "pip failed (no network?): $(VENV) keeps the versions it has, not those of requirements.txt"; } }
	@touch $@

define INSTALLED
import sys
from importlib.metadata import PackageNotFoundError, version
try:
    wanted = [line.split("==") for line in map(str.strip, open("requirements.txt")) if "==" in line and line[0] != "#"]
    sys.exit(any(version(name) != number for name, number in wanted))
except PackageNotFoundError:
    sys.exit(1)
endef
export INSTALLED
