# Everything runs in .venv, which `make install` creates and keeps up to date. PYTHON picks the interpreter for it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
VLLM ?= yes
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help install train test test-slow lint format bench clean

help: ## This list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

install: ## Create .venv and install the tested versions (VLLM=no leaves vLLM out)
	@$(PYTHON) tools/install.py $(if $(filter no,$(VLLM)),--without-vllm)

train: install ## The embedded example, from nothing to a report (ARGS="seed=1" adds overrides)
	$(BIN)/python -m grpo "logger=[console,file,wandb]" $(ARGS)
	@echo "Report: $$(ls -td runs/*/report.html | head -n 1)"

test: install ## The quick tests
	$(BIN)/python -m pytest -q -m "not slow and not gpu" $(ARGS)

test-slow: install ## The tests that take longer, real vLLM among them
	$(BIN)/python -m pytest -q -m "slow and not gpu" $(ARGS)

lint: install ## Style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: install ## Rewrite the files as lint wants them
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: install ## Measure speed and memory
	$(BIN)/python -m benchmarks $(ARGS)

clean: ## Remove caches and build leftovers; runs and .venv stay
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis outputs multirun
	find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +
