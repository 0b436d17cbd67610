# The commands of daily work. `make run` and `make test` need Python 3.11 or newer and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: run setup load train test check format bench notebook lock clean

run: load ## load sales, train if anything changed, serve on http://127.0.0.1:8000
	$(BIN)/python train.py --if-changed || test -e $${VAR_DIR:-var}/champion/manifest.json
	exec $(BIN)/python main.py

setup: $(INSTALLED) ## only the environment

$(INSTALLED): requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed, $(PYTHON) is older: make PYTHON=python3.12 ..."; exit 1; }
	@echo "Installing into $(VENV): a minute or two, once."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $(INSTALLED)

load: setup ## data/Walmart_Sales.csv if it is there, else the generated sample
	$(BIN)/python database_loader.py

train: load ## backtest, fit, log, gate, publish
	$(BIN)/python train.py

# One process a core, one thread a process: more threads than cores make small fits ten times slower.
test: check ## every check and test, the same that CI runs
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses=auto --dist=loadfile --cov --cov-report=term

check: setup ## lint, format, rooms and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy

format: setup ## mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup ## serving speed beside an echo endpoint and beside the common design
	$(BIN)/python -m benchmarks.serving

notebook: setup ## run the notebook anew and keep its outputs
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tests.notebook

COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-annotate --no-header --no-strip-extras pyproject.toml
lock: setup ## resolve pyproject.toml anew; the images' locks keep the versions of the first
	$(COMPILE) --upgrade --extra train --extra client --extra aws --extra dev \
		--output-file requirements/dev.txt
	$(COMPILE) --upgrade --extra train --extra aws --constraints requirements/dev.txt \
		--output-file requirements/train.txt
	$(COMPILE) --upgrade --constraints requirements/dev.txt --output-file requirements/serve.txt

clean: ## forget the environment and everything made here
	rm -rf $(VENV) var .coverage* .import_linter_cache .mypy_cache .ruff_cache .pytest_cache .hypothesis
