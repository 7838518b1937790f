# make setup, make demo and make test work from a fresh clone with Python 3.11 or 3.12, git and make.

PY := .venv/bin/python
# Text is UTF-8, whatever the machine's locale says.
export PYTHONUTF8 := 1

.DEFAULT_GOAL := help
.PHONY: help screenshots setup use demo up quick check test test-deep lint format types contracts ipfs clients frontend bench messages docs sbom lock clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 12

setup: ## .venv with locked dependencies and the native core; does nothing when up to date
	@scripts/setup.sh

use: ## .venv with what users run, without a developer's tools; does nothing when up to date
	@scripts/setup.sh buyer

demo: use ## the whole story, from a table to a paid, audited result
	@.venv/bin/darkroom demo

up: use ## a market of one's own in the browser, with a sample dataset; Ctrl-C stops it
	@.venv/bin/darkroom up

# A test that hangs for a quarter of an hour ends the run, with every thread's place.
# Tests run in a random order, the same for the same seed and tests: what failed can be repeated, here and in CI.
SEED ?= 1
PYTEST := $(PY) -m pytest --randomly-seed=$(SEED)
# Two processes share the tests out by files and worlds, in the order of tests/conftest.py.
JOBS ?= 2
SHARED := -n $(JOBS) --dist loadscope --no-loadscope-reorder

quick: setup ## style of Python, import rules and the quick unit tests, in less than a minute
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check --quiet . || { echo "Not in the project's format: run make format."; exit 1; }
	@.venv/bin/lint-imports --no-cache --no-logo
	@$(PYTEST) -m "unit and not slow and not deep and not gpu and not node and not anvil and not ipfs and not postgres and not clients"

check: ## one file or folder of tests: make check T=tests/fhe/test_mask.py; some of them: K=WORD; deep ones: M=deep
	@[ -n "$(T)" ] || { echo "Name a file or a folder: make check T=tests/fhe/test_mask.py" >&2; exit 2; }
	@$(PYTEST) -m "$(or $(M),not deep and not gpu)" $(if $(K),-k "$(K)") "$(T)"

test: setup lint types contracts ipfs clients ## everything that must hold, in minutes; in another order: make test SEED=2; in one process: make test JOBS=0
	@$(PYTEST) $(SHARED) -m "not deep and not gpu" -o faulthandler_timeout=900 -o faulthandler_exit_on_timeout=true

test-deep: setup contracts ## the slow proofs: statistics, whole sweeps, real parameter sets
	@$(PYTEST) -m deep

lint: frontend ## style of Python and JavaScript, import rules
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check --quiet . || { echo "Not in the project's format: run make format."; exit 1; }
	@.venv/bin/lint-imports --no-cache --no-logo
	@sh frontend/tools/run.sh biome check --log-level=warn || { echo "Most of it mends itself: make format." >&2; exit 1; }

format: frontend ## put every file in the project's format
	@.venv/bin/ruff check --quiet --fix-only --select I .
	@.venv/bin/ruff format .
	@sh frontend/tools/run.sh biome check --write --log-level=warn

types: frontend ## mypy and TypeScript, both strict
	@.venv/bin/mypy
	@sh frontend/tools/run.sh tsc --project frontend/tools

contracts: ## npm's part: solc, OpenZeppelin, forge and anvil, from contracts/package-lock.json
	@cmp -s contracts/package-lock.json contracts/node_modules/.darkroom-lock \
	|| { sh contracts/setup.sh && cp contracts/package-lock.json contracts/node_modules/.darkroom-lock; } \
	|| { [ "$$CI" != true ] && echo "npm's part could not be installed: the tests that need it will be skipped." >&2; }

ipfs: ## npm's other part: an IPFS daemon for tests, from tests/storage/jsipfs/package-lock.json
	@cmp -s tests/storage/jsipfs/package-lock.json tests/storage/jsipfs/node_modules/.darkroom-lock \
	|| { sh tests/storage/jsipfs/setup.sh \
	&& cp tests/storage/jsipfs/package-lock.json tests/storage/jsipfs/node_modules/.darkroom-lock; } \
	|| { [ "$$CI" != true ] && echo "The IPFS daemon could not be installed: tests that need it are skipped." >&2; }

clients: ## npm's clients of a node, for tests of /v1/rpc, from tests/market/web/clients/package-lock.json
	@cmp -s tests/market/web/clients/package-lock.json tests/market/web/clients/node_modules/.darkroom-lock \
	|| { sh tests/market/web/clients/setup.sh \
	&& cp tests/market/web/clients/package-lock.json tests/market/web/clients/node_modules/.darkroom-lock; } \
	|| { [ "$$CI" != true ] && echo "ethers and viem could not be installed: tests that need them are skipped." >&2; }

frontend: ## npm's third part: the formatter, linter and type checker of JavaScript, from frontend/tools/package-lock.json
	@cmp -s frontend/tools/package-lock.json frontend/tools/node_modules/.darkroom-lock \
	|| { sh frontend/tools/setup.sh \
	&& cp frontend/tools/package-lock.json frontend/tools/node_modules/.darkroom-lock; } \
	|| { [ "$$CI" != true ] && echo "JavaScript's tools could not be installed: it is not checked." >&2; }

bench: setup ## every benchmark; some run side by side with Concrete ML and TenSEAL
	@for name in $$($(PY) -m benchmarks --list); do $(PY) -m benchmarks $$name || [ $$name = gpu ] || exit 1; done

screenshots: setup ## every page at three widths, light and dark, into build/screenshots (needs Chromium)
	@$(PY) -m tests.browser.screenshots

messages: setup ## bring the catalogues of the pages' words up to date with the code; docs/languages.md says how to translate
	@$(PY) scripts/write_messages.py

docs: setup ## write the commands' help and the Python reference into docs/, and all of it as a site into build/site/pages
	@$(PY) scripts/write_help.py
	@sh scripts/site/build.sh

sbom: ## what each lock installs as CycloneDX documents, with hashes and licenses, into build/sbom
	@$(PY) scripts/sbom.py

lock: ## write the locks again (needs uv)
	@scripts/lock.sh

clean: ## remove what was built, not the environment
	@rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis contracts/out contracts/cache
