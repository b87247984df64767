# One command a chore. Each sets up what it needs by itself, once; PYTHON chooses the interpreter.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# What `make train` makes: MODEL is the version's name, GALAXIES the size of its training set.
MODEL ?= mine
GALAXIES ?= 480000
HELD_OUT ?= 9000

.PHONY: serve demo test lint format bench docs train train-smoke clean help

help:
	@echo "make serve    start the service on http://127.0.0.1:8000"
	@echo "make demo     predict the example galaxy over HTTP; writes FITS, JSON and PNG into out/"
	@echo "make test     run all tests"
	@echo "make lint     ruff, mypy --strict, import-linter, codespell"
	@echo "make format   rewrite the code in the project's format"
	@echo "make bench    run the benchmarks"
	@echo "make docs     build the documentation into docs/_build, warnings as errors"
	@echo "make train    simulate a survey, train model_store/$(MODEL) on it and score it"
	@echo "make train-smoke  the same at toy size in a temporary folder, and predict a galaxy with it"

serve: $(VENV)/.run
	@$(BIN)/fiberless serve

demo: $(VENV)/.run
	@$(BIN)/fiberless demo --out out

test: $(VENV)/.dev
	@$(BIN)/pytest

lint: $(VENV)/.dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/codespell

format: $(VENV)/.dev
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(VENV)/.dev
	@for file in benchmarks/*.py; do echo "$$file"; $(BIN)/python "$$file" || exit 1; done

docs: $(VENV)/.dev
	@mkdir -p docs/reference
	@PYTHONPATH=. $(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build
	@echo "docs/_build/index.html"

train: $(VENV)/.dev
	@$(BIN)/fiberless data mock --n $(GALAXIES) --seed 1 --out data/mock-train
	@$(BIN)/fiberless data mock --n $(HELD_OUT) --seed 3 --out data/mock-test
	@$(BIN)/fiberless train data/mock-train --out model_store/$(MODEL) --run runs/$(MODEL)
	@$(BIN)/fiberless evaluate --model $(MODEL) --data data/mock-test --train data/mock-train --record

train-smoke: $(VENV)/.dev
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && BIN=$(BIN) sh tests/integration/train_smoke.sh "$$folder"

clean:
	rm -rf $(VENV) build dist out *.egg-info .mypy_cache .ruff_cache .pytest_cache

# A stamp says that the environment holds what pyproject.toml asked for when it was made.
$(VENV)/.python:
	@echo "setting up $(VENV) with $(PYTHON)"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.run: $(VENV)/.python pyproject.toml
	@echo "installing fiberless (takes a few minutes the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[server,model,plot,frames]'
	@touch $@

$(VENV)/.dev: $(VENV)/.python pyproject.toml
	@echo "installing fiberless with its tools (takes a few minutes the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@ $(VENV)/.run
