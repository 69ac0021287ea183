# Every target sets up .venv if it isn't there yet, and takes it as it is if it is.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: help demo test lint bench study soak clean

help:  ## Show this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

# The project itself is installed last, so its script stands for a complete set-up.
.venv/bin/raygrad:
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[dev,demo]"

demo: .venv/bin/raygrad  ## Score known and unknown images with a small network, and compare scores
	$(BIN)/python -m jobs.demo.prepare
	$(BIN)/raygrad run jobs/demo.yaml
	$(BIN)/raygrad evaluate --in-distribution demo/table/scores/dataset=mnist --ood demo/table/scores/dataset=digits_8_9 --ood demo/table/scores/dataset=photos
	$(BIN)/python -m jobs.demo.draw

test: .venv/bin/raygrad  ## Run all tests, two at a time: those without a cluster first
	OMP_NUM_THREADS=1 $(BIN)/pytest -m "not cluster" -n 2
	$(BIN)/pytest -m cluster -n 2 --dist loadfile

lint: .venv/bin/raygrad  ## Check style, types and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/bin/raygrad  ## Measure beside other packages, and write benchmarks/RESULTS.md
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[bench]"
	$(BIN)/python -m benchmarks

study: .venv/bin/raygrad  ## Compare OOD scores on real images, and write docs/study.md
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[study]"
	$(BIN)/python -m benchmarks.study

soak: .venv/bin/raygrad  ## Kill processes of jobs at random, 100 times, and count their rows
	$(BIN)/python tests/cluster/soak.py

clean:  ## Remove the demo's files and all caches, but not .venv
	rm -rf demo .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
