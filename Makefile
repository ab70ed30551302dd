# Everything below sets itself up: a machine needs Python 3.11 or newer and nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PLUGINS := $(sort $(patsubst %/pyproject.toml,%,$(wildcard plugins/*/pyproject.toml)))
MANIFESTS := pyproject.toml constraints.txt $(PLUGINS:%=%/pyproject.toml)
# Threads of a process. The matrices here are small: more threads help little, and hurt on busy cores.
export OMP_NUM_THREADS ?= 1

.PHONY: help setup demo test check bench clean

help:
	@echo "make demo   run the main job on real data; the results are in runs/demo"
	@echo "make test   run every test, plugins included"
	@echo "make check  lint and type checks"
	@echo "make bench  measure accuracy, speed and memory; the tables are in docs/benchmarks.md"

setup: $(VENV)/ready

# torch comes first and alone, so that no other package can pull a larger build of it.
$(VENV)/ready: $(MANIFESTS)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "pip>=25.1" -c constraints.txt
	$(BIN)/python -m pip install --quiet -c constraints.txt torch
	$(BIN)/python -m pip install --quiet -c constraints.txt --group dev -e ".[audio,faiss,image,mteb,onnx,parquet,sentence-transformers,video]" $(PLUGINS:%=-e ./%)
	@touch $@

demo: setup
	$(BIN)/anybind demo

test: setup
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: setup
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: setup
	$(BIN)/python bench/run_all.py

clean:
	rm -rf $(VENV) runs build dist
