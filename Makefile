# `make demo` and `make test` are the only two commands anybody needs; both set up .venv/ themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# From Python 3.14 a root folder named `compression` on sys.path hides the standard library's.
export PYTHONSAFEPATH := 1

.PHONY: demo test fuzz portable check lint format links clean

demo: $(VENV)/.run
	$(BIN)/fsd demo --out out/demo

test: $(VENV)/.dev
	$(BIN)/pytest -n 2 -q

# Every reader with bad input, for SECONDS; what it finds is saved below out/fuzz, with how to run it again.
SECONDS ?= 600
fuzz: $(VENV)/.fuzz
	$(BIN)/python tests/fuzz/run.py --seconds $(SECONDS)

# The same INT8 file and compressor on emulated processors, with this machine's results beside; MODEL is the packaged file.
portable: $(VENV)/.dev
	$(BIN)/python tests/portable/run.py $(if $(MODEL),--model $(MODEL))

check: lint test

lint: $(VENV)/.dev links
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# What a user of the wheel gets, and the viewer file: no torch.
$(VENV)/.run: pyproject.toml constraints.txt
	@echo "Installing into $(VENV), which takes minutes and 0.7 GB; pip prints nothing meanwhile."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q -c constraints.txt -e '.[viewer]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt
	@echo "Installing into $(VENV), with PyTorch, which takes minutes and several GB; pip prints nothing meanwhile."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q -c constraints.txt -e '.[dev]'
	@touch $@ $(VENV)/.run

# Coverage guidance (atheris) has wheels for Linux on x86-64; elsewhere inputs are changed without it.
$(VENV)/.fuzz: $(VENV)/.dev
	$(BIN)/pip install -q -c constraints.txt -e '.[fuzz]'
	@touch $@

# Type checkers see one package tree: .links/fsd holds fsd/'s files and the four other folders.
links:
	@rm -rf .links && mkdir -p .links/fsd
	@for path in fsd/*; do ln -s ../../$$path .links/fsd/; done
	@for folder in compression networks export data; do ln -s ../../$$folder .links/fsd/$$folder; done

clean:
	rm -rf $(VENV) .links out build *.egg-info .pytest_cache .mypy_cache .ruff_cache
