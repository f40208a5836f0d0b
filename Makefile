# make run: build the example to a verdict. make test: what CI runs. make test-all: every test. All set up .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed
# llama.cpp is compiled at install: no more of it than is used.
export CMAKE_ARGS ?= -DLLAVA_BUILD=OFF "-DCMAKE_PROJECT_llama.cpp_INCLUDE=$(CURDIR)/.ci/llama.cmake"
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: run test test-all check bench lock clean

run: $(READY)
	$(BIN)/tunec build

test: $(READY)
	$(BIN)/pytest -n 2 --dist worksteal -q -m "not thorough"

test-all: $(READY)
	$(BIN)/pytest -n 2 --dist worksteal -q

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -q -n 2 -m "not real and not slow and not thorough"

bench: $(READY)
	for file in benchmarks/*.py; do $(BIN)/python $$file; done

$(READY): requirements.lock pyproject.toml
	PYTHON=$(PYTHON) .ci/machine
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25"
	$(BIN)/python -m pip install --quiet --requirement requirements.lock
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $(READY)

# The versions that are installed now become the lock file. The `+cpu` of a local build is not part of a version that
# others can install.
lock:
	$(BIN)/python -m pip freeze --exclude-editable | sed 's/+cpu$$//' > requirements.lock

clean:
	rm -rf build .venv
