# The targets a newcomer types: demo and test. Each installs what is missing, builds, and runs.
PYTHON ?= python3
TORCH ?= torch==2.13.0
BUNDLE ?=
VENV := .venv
BIN := $(VENV)/bin
SOURCES := $(shell find CMakeLists.txt pyproject.toml cmake cpp fortran python data tests/CMakeLists.txt tests/*/ -type f -not -path '*/__pycache__/*')

.PHONY: demo test bench docs wheel clean install lint

install: $(VENV)/.installed

$(VENV)/.packages: tools/system-packages pyproject.toml
	PYTHON=$(PYTHON) tools/system-packages
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --upgrade 'pip>=25.1,<26.2'
	$(BIN)/pip install -q $(TORCH)
	$(BIN)/pip install -q --group build --group test
	touch $@

# Without build isolation: a second PyTorch would be fetched otherwise.
$(VENV)/.installed: $(VENV)/.packages $(SOURCES)
	$(BIN)/pip install -q --no-build-isolation -C cmake.define.RADML_BUILD_TESTS=ON .
	@touch $@
	@echo "radml is in $(VENV); in each new shell: . $(CURDIR)/$(BIN)/activate"

# What only tests use; where it cannot be had, those tests are skipped. With it, MPI for one, more is built than without.
$(VENV)/.test-packages: tools/system-packages $(VENV)/.packages
	tools/system-packages test
	rm -f $(VENV)/.installed
	touch $@

demo: install
	PATH="$(CURDIR)/$(BIN):$$PATH" sh examples/demo.sh demo

test: lint $(VENV)/.test-packages
	$(MAKE) --no-print-directory install
	RADML_BUILD_DIR=$(CURDIR)/build $(BIN)/python -m pytest -q -n auto --maxprocesses 4 --dist loadfile

lint: $(VENV)/.packages
	$(BIN)/ruff check -q python tests tools examples fortran

bench: demo
	$(BIN)/ftorch-bench radiation --columns demo/columns.nc --model demo/all_sky.pt --repeats 31 --draws 256 --no-host --json demo/bench.json

# mkdocs empties its folder: the Fortran modules come after it.
docs: $(VENV)/.docs-packages
	NO_MKDOCS_2_WARNING=1 PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/mkdocs build -q --strict
	$(BIN)/python tools/fortran_reference.py --ford $(VENV)/ford/bin/ford
	@echo "documentation: build/site/index.html"

$(VENV)/.docs-packages: $(VENV)/.packages pyproject.toml
	$(BIN)/pip install -q --group docs
	$(PYTHON) -m venv $(VENV)/ford
	$(VENV)/ford/bin/pip install -q --upgrade 'pip>=25.1,<26.2'
	$(VENV)/ford/bin/pip install -q --group fortran-docs
	touch $@

# For other machines than this one, into dist/. `make wheel BUNDLE=1` puts the libraries that it needs into it.
wheel: $(VENV)/.packages
	$(if $(BUNDLE),$(BIN)/pip install -q --group bundle)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python tools/build_wheel.py $(if $(BUNDLE),--bundle)

clean:
	rm -rf build demo dist $(VENV)
