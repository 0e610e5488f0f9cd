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
export VECLIB_MAXIMUM_THREADS := 1
export MPLBACKEND := Agg
export FILE COLUMN

FIGURES := $(sort $(foreach path,$(wildcard figures/fig[0-9][0-9]_*.py),$(firstword $(subst _, ,$(notdir $(path))))))
# All cores are used; with `make -j1 figures` one. Python knows what is out of date, so that this works without make, too.
JOBS = $(patsubst -j%,--jobs %,$(filter-out -j,$(filter -j%,$(MAKEFLAGS))))

# $(call extra,page) installs that extra of pyproject.toml.
extra = $(PY) -m pip install --quiet --disable-pip-version-check $$( \
  $(PY) -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['optional-dependencies']['$(1)'])")

.PHONY: figures study publish own paper slides test skeleton check notebook class bench fuzz lint clean help $(FIGURES)
.DELETE_ON_ERROR:

figures: | $(STAMP)  ## all figures in figures/out, on all cores, then fresh beside published numbers
	@$(PY) -m figures --changed $(JOBS)

$(FIGURES): | $(STAMP)  ## (fig01, fig02 ..) one figure
	@$(PY) -m figures --changed $(@:fig%=%)

study: | $(STAMP)  ## the full experiment matrix, about 15 minutes on two cores, in figures/out
	$(PY) -m figures --study $(JOBS)

publish: | $(STAMP)  ## refresh figures/published, what README shows (STUDY=--study for the full matrix)
	$(PY) -m figures --publish $(STUDY) $(JOBS)

own: | $(STAMP)  ## your own file: FILE=names.txt, or FILE=table.csv COLUMN=flow; more with OWN="--hidden 64 --steps 500 --seed 2"
	@test -e "$$FILE" || { echo "own needs a file, and '$$FILE' is none: FILE=names.txt, or FILE=table.csv COLUMN=flow; with blanks in quotes"; exit 2; }
	@$(PY) -m figures.own "$$FILE" $(if $(COLUMN),--column "$$COLUMN") $(OWN)

slides: | $(STAMP)  ## the figures that derivations/teaching.md puts on the screen, 16:9, in figures/out/slides
	@$(PY) -m figures.slides

test: | $(STAMP)  ## all tests, and the examples in README
	$(PY) -m pytest

paper: | $(STAMP)  ## the paper on one page, offline: derivations/out/paper.html; it installs four packages more
	@$(PY) -c "import markdown_it, math_core, pygments, ziamath" 2>/dev/null || $(call extra,page)
	@$(PY) -m derivations.paper

fuzz: | $(STAMP)  ## 10,000 inputs, most of them odd, to all public functions together, about a minute (SEED=1)
	$(PY) -m tests.odd_inputs --seed $(or $(SEED),0)

skeleton: | $(STAMP)  ## the exercises' file to fill in, mine.py (IMPL=another.py)
	@$(PY) -m tests.exercises.skeleton "$(IMPL)"

check: | $(STAMP)  ## grade it: IMPL=mine.py (wrong answers are no error of make's); more with CHECK="-m ex3 --seed 1 --json out.json"
	@$(PY) -m pytest tests/exercises --impl "$(IMPL)" --no-header -p no:cacheprovider --tb=no -rN $(CHECK) || test $$? -eq 1

notebook: | $(STAMP)  ## the lab as a notebook, lab.ipynb (LAB=another.ipynb)
	@$(PY) -m tests.exercises.notebook "$(LAB)"

class: | $(STAMP)  ## grade all files of a folder: DIR=hand_in; marks in hand_in_marks; more with CLASS="--seed 1 --points mine.csv"
	@$(PY) -m tests.exercises.classroom "$(DIR)" $(CLASS)

bench: | $(STAMP)  ## speed against PyTorch and JAX, which only this target installs; about seven minutes (PUBLISH=--publish)
	@$(PY) -c "import torch, jax" 2>/dev/null || $(call extra,bench)
	$(PY) -m tests.benchmarks $(PUBLISH)

lint: | $(STAMP)  ## style, with ruff
	@$(PY) -m ruff --version >/dev/null 2>&1 || $(PY) -m pip install --quiet --disable-pip-version-check "ruff>=0.6"
	$(PY) -m ruff check . && $(PY) -m ruff format --check .

clean:  ## remove what was made, your own models in figures/out, too, but not the published figures
	rm -rf figures/out derivations/out $(VENV) build dist *.egg-info .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

help:  ## this list
	@sed -n 's/^\([a-z$$(][A-Za-z()]*\):.*## \(.*\)/\1: \2/p' Makefile | sed 's/$$(FIGURES)/figNN/'

# Where .venv has what requirements.txt names, or a network is missing, nothing is installed.
$(STAMP): requirements.txt
	@$(PYTHON3) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or later is needed; this is `$(PYTHON3) --version 2>&1`. Give another: make PYTHON3=python3.12"; exit 1; }
	@test -x $(PY) || $(PYTHON3) -m venv $(VENV) >/dev/null 2>&1 || \
	  { echo "$(PYTHON3) cannot make a virtual environment; on Debian and Ubuntu: apt install python3-venv"; rm -rf $(VENV); exit 1; }
	@$(PY) -c "$$INSTALLED" || { \
	  echo "Installing numpy, autograd, scipy, matplotlib and pytest into $(VENV):"; \
	  echo "about 80 MB to fetch, 360 MB on the disk, half a minute on a fast line .."; \
	  $(PY) -m pip install --quiet --disable-pip-version-check --retries 2 -r requirements.txt >$(VENV)/pip.log 2>&1 || { \
	    $(PY) -c "import autograd, matplotlib, numpy, pytest, scipy" 2>/dev/null && \
	    echo "pip failed (no network?): $(VENV) keeps the versions it has, not those of requirements.txt" || { \
	    echo "pip could not install them: is there a network? What pip says is in $(VENV)/pip.log"; exit 1; }; }; }
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
