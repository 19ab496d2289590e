# Every target makes what it needs; nothing but Python 3.11 and its venv module is asked for.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test test-all check format docs bench servers clean

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Fenghuo needs Python 3.11 or newer; call: make PYTHON=python3.11 …")'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed-%: pyproject.toml | $(BIN)/python
	@echo "安装所需的 Python 包，仅此一次，约一分钟 · installing Python packages, this once, about a minute"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$*]'
	@touch $@

demo: $(VENV)/.installed-all
	@$(BIN)/fenghuo demo $(ARGS)

servers: $(VENV)/.installed-dev
	$(BIN)/python tests/servers/install.py

test: servers
	$(BIN)/python -m pytest -m "not slow" $(ARGS)

test-all: servers
	$(BIN)/python -m pytest $(ARGS)

format: $(VENV)/.installed-dev
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

check: $(VENV)/.installed-dev
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/pylint core/fenghuo agent/fenghuo_agent collector/fenghuo_collector

docs: $(VENV)/.installed-dev
	$(BIN)/python tests/docs/pages.py

bench: servers
	$(BIN)/python -m bench $(ARGS)

clean:
	rm -rf $(VENV) .cache .pytest_cache .ruff_cache .hypothesis
