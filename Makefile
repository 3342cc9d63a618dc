# `make run` and `make test` are all a newcomer needs: Python 3.11 or newer and make.
# Both install what they need into .venv, from the hashes in the lock files, once per lock.

# Tests and the packages that they use would be compiled anew by each process of a run.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
PY := $(VENV)/bin/python
PYTHON ?=
ARGS ?=
# One more than two processors have time for: some wait for processes.  Tests of one file stay
# together, for what they share takes long to start.  PYTEST_ARGS="-n 0 -k name" for one test.
PYTEST_ARGS ?= -n 3 --dist worksteal

.PHONY: help run test test-long test-unit test-interop lint bench docs docs-serve ui ui-check screenshots lock clean

help:
	@echo "make run     serve the agents of agents/ and call them into the room demo"
	@echo "make test    lint, types and every test"
	@echo "make test-long  the tests that take a minute each: requests that are made up, examples of the pages, the wheel"
	@echo "make test-unit  the pure tests alone, in seconds"
	@echo "make test-interop  the tests with MeshAgent's real SDK alone (needs a Python 3.13)"
	@echo "make lint    lint and types alone"
	@echo "make bench   measure starts and latencies;  ARGS=\"kills 20\", ARGS=\"soak 26\" try what must not break"
	@echo "make docs    build the documentation into docs/site, strict;  make docs-serve shows it while you write"
	@echo "make ui      build Studio into runtime/front/studio/static (needs Node 20 and npm)"
	@echo "make ui-check  prove that runtime/front/studio/static is what ui/ builds, run the tests of ui/"
	@echo "make screenshots  take the pictures of Studio again (needs chromium)"
	@echo "make lock    write the lock files again (needs uv)"
	@echo "make clean   remove .venv, caches and the state of local runs"

run: $(VENV)/.installed-run
	@trap : INT; $(VENV)/bin/bulkhead demo $(ARGS) || { status=$$?; test $$status = 130 || test $$status = 143 || exit $$status; }

test: lint
	$(PY) -m pytest $(PYTEST_ARGS)

# What takes a minute or so by itself, and asks a thousand times what other tests ask once.
test-long: $(VENV)/.installed-dev
	$(PY) -m pytest $(PYTEST_ARGS) --long -m long

test-unit: $(VENV)/.installed-dev
	$(PY) -m pytest -m unit $(PYTEST_ARGS)

# The environments of the real SDK are made on first use, in .venv-interop.
# VERSIONS="0.20.6 0.42.2" tries other releases.  `make test` tries all of it with the newest alone.
test-interop: VERSIONS ?= 0.7.1 0.56.0
test-interop: $(VENV)/.installed-dev
	INTEROP_VERSIONS="$(VERSIONS)" $(PY) -m pytest $(PYTEST_ARGS) --long tests/interop tests/placement/test_upstream.py

lint: $(VENV)/.installed-dev
	$(PY) -m ruff check .
	$(PY) -m mypy

bench: $(VENV)/.installed-dev
	$(PY) -m bench $(ARGS)

docs: $(VENV)/.installed-dev
	NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --quiet --config-file docs/mkdocs.yml
	@echo "docs/site/index.html"

docs-serve: $(VENV)/.installed-dev
	NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs serve --config-file docs/mkdocs.yml --dev-addr 127.0.0.1:8000 $(ARGS)

ui: ui/node_modules/.installed $(VENV)/.linked
	$(PY) ui/exit_reasons.py
	cd ui && node build.mjs

ui-check: ui/node_modules/.installed
	cd ui && node build.mjs --check && node --test --test-reporter=dot tests/*.test.js

# Without scripts of packages: none of them needs one.
ui/node_modules/.installed: ui/package-lock.json
	cd ui && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

screenshots: $(VENV)/.installed-dev
	$(PY) docs/shoot.py

lock:
	uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header --no-annotate \
	  --all-extras pyproject.toml -o requirements.lock
	uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header --no-annotate \
	  --all-extras --group dev pyproject.toml -o requirements-dev.lock

clean:
	rm -rf $(VENV) .venv-interop .venv-matrix ui/node_modules docs/site .bulkhead .mypy_cache .pytest_cache .ruff_cache .hypothesis dist build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ---- the environment

$(VENV)/.installed-run: requirements.lock $(VENV)/.linked
	@echo "installing from requirements.lock into $(VENV) (once)" >&2
	@VENV="$(VENV)" sh .ci/install requirements.lock
	@touch $@

# requirements-dev.lock holds everything of requirements.lock in the same versions.
$(VENV)/.installed-dev: requirements-dev.lock $(VENV)/.linked
	@echo "installing from requirements-dev.lock into $(VENV) (once)" >&2
	@VENV="$(VENV)" sh .ci/install requirements-dev.lock
	@touch $@ $(VENV)/.installed-run

# The checkout is put on the path by one .pth line and the command is a two-line script: an editable
# install would need a build backend that a bare environment does not have.
$(VENV)/.linked: Makefile .ci/link runtime/compat/bulkhead.pth
	@VENV="$(VENV)" PYTHON="$(PYTHON)" sh .ci/link
	@touch $@
