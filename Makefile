# The commands of daily work. `make run` and `make test` need Python 3.11 or newer and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

# Compiled modules are kept even where the environment says not to: an import of MLflow takes a third
# of the time then, and the tests start hundreds of processes.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: run setup load train test coverage check format bench notebook lock clean

run: load ## load sales, train if anything changed, serve on http://127.0.0.1:8000
	$(BIN)/python train.py --if-changed || test -e $${VAR_DIR:-var}/champion/manifest.json
	exec $(BIN)/python main.py

setup: $(INSTALLED) ## only the environment

# A lock is complete, so pip need not resolve anything; and the pip that does it is pinned as well: the
# outcome depends neither on the pip that is there nor on what was released since.
INSTALL := $(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes \
	--no-deps --only-binary :all: --no-compile
$(INSTALLED): requirements/pip.txt requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed, $(PYTHON) is older: make PYTHON=python3.12 ..."; exit 1; }
	@echo "Making $(VENV)."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@for lock in pip serve train dev; do \
		echo "Installing what requirements/$$lock.txt names."; \
		$(INSTALL) -r requirements/$$lock.txt || exit 1; \
	done
	@touch $(INSTALLED)

load: setup ## data/Walmart_Sales.csv if it is there, else the generated sample
	$(BIN)/python database_loader.py

train: load ## backtest, fit, log, gate, publish
	$(BIN)/python train.py

# One process a core, one thread a process: more threads than cores make small fits ten times slower.
# In the order of the folders, so that the long files, which are those of AWS, do not come last.
# A test that waits for ever says where, and ends its process. A process that died ends the run, which
# names its test: xdist would wait without end for the one that it starts instead.
TESTED := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses=auto \
	--dist=loadfile --no-loadscope-reorder --max-worker-restart=0 \
	-o faulthandler_timeout=900 -o faulthandler_exit_on_timeout=true
test: check ## every check and test, the same that CI runs
	$(TESTED)

coverage: setup ## the tests once more, and which statements and branches they reach; every night
	$(TESTED) --cov --cov-report=term

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
	--no-emit-index-url --no-annotate --no-header --no-strip-extras --upgrade
lock: setup ## resolve pyproject.toml anew; the images' locks keep the versions of the first
	$(COMPILE) pyproject.toml --extra train --extra client --extra aws --extra dev \
		--output-file requirements/dev.txt
	$(COMPILE) pyproject.toml --extra train --extra aws --constraints requirements/dev.txt \
		--output-file requirements/train.txt
	$(COMPILE) pyproject.toml --constraints requirements/dev.txt --output-file requirements/serve.txt
	$(BIN)/python -m aws_cloud_infra.mlflow_host.lock
	echo pip | $(COMPILE) - --output-file requirements/pip.txt
	echo apache-airflow | $(COMPILE) - --output-file pipelines/airflow/requirements.txt
	echo kubernetes-validate | $(COMPILE) - --output-file pipelines/kubernetes/requirements.txt
	echo 'dvc[s3]' | $(COMPILE) - --output-file pipelines/dvc/requirements.txt
	echo 'pyspark==4.1.1' | $(COMPILE) - --output-file pipelines/glue/requirements.txt # that of Glue 6.0

clean: ## forget the environment and everything made here
	rm -rf $(VENV) var .coverage* .import_linter_cache .mypy_cache .ruff_cache .pytest_cache .hypothesis
