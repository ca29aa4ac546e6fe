# Start here. Needs Python 3.11 to 3.13 with its venv module, and make.
#
#   make demo         measure three real models, deliver to MLflow, write the quarterly report
#   make dashboard    open the demo's results in a browser, until Ctrl-C
#   make test         run the tests in random order, and show the branches of the core that none of them reaches
#   make matrix       run what make test leaves out: the cases of a matrix (versions, stores, servers, languages, widths) beside
#                     its representatives
#   make mutate       break the arithmetic in small ways, and show those that no test notices (some hours; docs/testing.md)
#   make lint         check style, types and layers
#   make wheel-test   test the built wheel: alone, beside MLflow 2.22, and with every extra
#   make soak         run the longest tests at full length: a thousand kills, ten million spans, ten minutes of a service
#                     under load (some twenty-five minutes in all)
#   make fuzz         change inputs of every kind at random and feed them: 10 minutes, or FUZZ_SECONDS=N
#   make laws         try a thousand random examples of each law, forty times what make test does
#   make docs         build the documentation as a site, in site/; a broken link fails
#   make bench        measure the overhead, against targets and a named peer (a part of it: BENCH_ARGS="--only calls")
#   make lock         resolve the dependencies again
#   make clean        remove everything that make created, including the demo's results
#
# Behind a proxy or on an internal mirror, set the usual variables (README, "Behind a proxy").

VENV := .venv
VENV2 := .venv-mlflow2
BIN := $(VENV)/bin
HOSTS := .venv-hosts
UV := $(BIN)/uv
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

# Use the first interpreter of a supported version; `make demo PYTHON=python3.12` chooses another.
FITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))
PYTHON ?= $(firstword $(foreach p,python3 python3.13 python3.12 python3.11,$(shell $(p) -c '$(FITS)' >/dev/null 2>&1 && echo $(p))))

# Processes that run tests at once.
WORKERS ?= 4

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export UV_NO_PROGRESS := 1
# Without it, each of the programs that the tests start would compile MLflow anew, in 4 s of CPU time instead of 1.4.
unexport PYTHONDONTWRITEBYTECODE
NETWORK := . tools/network.sh;
INSTALL := $(UV) pip install --quiet --python $(BIN)/python

.PHONY: demo dashboard test matrix mutate soak fuzz laws lint wheel-test docs bench lock clean system
.DEFAULT_GOAL := demo

demo: $(VENV)/.stamp-report $(VENV)/.stamp-demo
	@$(BIN)/python examples/demo/run.py

dashboard: $(VENV)/.stamp-report
	@test -f demo-output/ecoia.toml || { echo "There is nothing to show yet: make demo" >&2; exit 1; }
	@cd demo-output && $(CURDIR)/$(BIN)/ecoia dashboard --from journal

# Most tests wait for programs that they start, so run several workers in parallel (make test WORKERS=2 on a slow machine); the
# tests of one file stay on one worker. Tests that measure real time or CPU time run alone, and are not traced. The order is
# random: the first lines show its seed, and make test ARGS="--randomly-seed=N" repeats it.
test: $(VENV)/.stamp-dev $(VENV)/.stamp-demo $(VENV2)/.stamp $(HOSTS)/.stamp system
ifdef ARGS
	$(BIN)/python -m pytest $(ARGS)
else
	status=0; \
	$(BIN)/python -m pytest -m "not timing and not matrix" --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder --cov --cov-report= --cov-fail-under=0 || status=$$?; \
	$(BIN)/python -m pytest -m timing $$(grep -rl --include='test_*.py' 'mark\.timing' tests) || status=$$?; \
	$(BIN)/coverage report || status=$$?; \
	exit $$status
endif

matrix: $(VENV)/.stamp-dev $(VENV)/.stamp-demo $(VENV2)/.stamp $(HOSTS)/.stamp system
	$(BIN)/python -m pytest -m "matrix and not timing" --numprocesses $(WORKERS) --dist loadfile

# Each change of the arithmetic runs in a process of its own, with the tests that use the changed function. The modules and the
# tests are listed in pyproject.toml. A run goes on where the last one stopped; remove the folder mutants to start anew.
MUTATE ?=
mutate: $(VENV)/.stamp-dev
	nice $(BIN)/mutmut run --max-children $(WORKERS) $(if $(MUTATE),"$(MUTATE)") | tr '\r' '\n' | tail -n 3
	$(BIN)/python tools/mutation_summary.py

soak: $(VENV)/.stamp-dev system
	SOAK_KILLS=1000 SOAK_SPANS=10000000 SOAK_SECONDS=$${SOAK_SECONDS:-600} SOAK_RATE=$${SOAK_RATE:-1000} $(BIN)/python -m pytest --capture=no \
	  -k "killed_at_any_moment or does_not_grow" tests/measuring/test_kills.py tests/instrument/test_hosts.py tests/integrations/test_serving.py

# An input that is a fault is kept in tests/fuzz/corpus, so that every later test tries it.
fuzz: $(VENV)/.stamp-dev
	FUZZ_SECONDS=$${FUZZ_SECONDS:-600} nice $(BIN)/python -m pytest --capture=no tests/fuzz

laws: $(VENV)/.stamp-dev
	nice $(BIN)/python -m pytest -m "hypothesis and not timing" --hypothesis-profile=deep --numprocesses $(WORKERS) --dist worksteal

lint: $(VENV)/.stamp-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

wheel-test: $(VENV)/.stamp-dev
	@$(NETWORK) tools/wheel_test.sh $(BIN)/python

docs: $(VENV)/.stamp-dev
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs --quiet build --strict --clean

bench: $(VENV)/.stamp-dev
	@$(BIN)/python benchmarks $(BENCH_ARGS)

# Six locks: one for running, two for development with the same versions (the second has the frameworks of .venv-hosts, and no
# hashes, since the place that has PyTorch's build for CPUs is the reader's), one for the demo's data, one for tests with the oldest
# MLflow, one for uv itself.
COMPILE = $(UV) pip compile --quiet --constraint tools/lock-constraints.txt --universal --python-version 3.11 --generate-hashes --custom-compile-command "make lock"
lock: $(VENV)/.stamp-uv
	@$(NETWORK) $(COMPILE) --upgrade pyproject.toml --extra report --extra api --extra metrics --extra otel --extra timestamp --group build -o requirements.lock; \
	$(COMPILE) --upgrade pyproject.toml --extra report --extra api --extra metrics --extra oidc --extra otel --extra pdf --extra timestamp --group build --group dev --group docs -c requirements.lock -o requirements-dev.lock; \
	$(COMPILE) --no-generate-hashes --no-annotate --group hosts -c requirements-dev.lock -o requirements-hosts.lock; \
	sed -i -e '/^torch==.*+cpu/d' -e 's/^\(torch==[0-9.]*\) ;.*/\1/' requirements-hosts.lock; \
	$(COMPILE) --group demo --no-deps -o requirements-demo.lock; \
	$(COMPILE) --upgrade pyproject.toml --group build --group mlflow2 -o requirements-mlflow2.lock; \
	$(COMPILE) --upgrade --group uv -o requirements-uv.lock

clean:
	rm -rf $(VENV) $(VENV2) $(HOSTS) demo-output bench-results.json dist build site mutants .coverage .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

# --- environment -----------------------------------------------------------------------------------------------

$(VENV)/.stamp-uv: requirements-uv.lock
	@if [ -z "$(PYTHON)" ]; then \
	  echo "ecoia needs Python 3.11, 3.12 or 3.13, and found none (looked for python3, python3.13, python3.12, python3.11)." >&2; \
	  echo "On Debian or Ubuntu: apt-get install python3 python3-venv. Elsewhere: make demo PYTHON=/path/to/python3.12" >&2; exit 1; fi
	@$(PYTHON) -c '$(FITS)' || { echo "PYTHON=$(PYTHON) is $$($(PYTHON) -V 2>&1): ecoia needs Python 3.11, 3.12 or 3.13" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "This Python cannot make virtual environments: apt-get install python3-venv" >&2; exit 1; }
	@echo "Python environment in $(VENV)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(NETWORK) $(BIN)/python -m pip install --quiet --require-hashes -r requirements-uv.lock
	@touch $@

$(VENV)/.stamp-report: requirements.lock pyproject.toml $(VENV)/.stamp-uv
	@echo "Packages of requirements.lock (some 120, once)"
	@$(NETWORK) $(INSTALL) --require-hashes -r requirements.lock; \
	$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.stamp-dev: requirements-dev.lock $(VENV)/.stamp-report
	@echo "Packages of requirements-dev.lock"
	@$(NETWORK) $(INSTALL) --require-hashes -r requirements-dev.lock
	@touch $@

$(VENV)/.stamp-demo: requirements-demo.lock $(VENV)/.stamp-uv
	@$(NETWORK) $(INSTALL) --no-deps --require-hashes -r requirements-demo.lock
	@touch $@

PACKAGES := 'import sysconfig; print(sysconfig.get_path("purelib"))'

# Frameworks that train, in an environment that sees all of $(VENV) as well: nothing stands on disk twice, and no test that does
# without them can import them by accident. Where a folder or an index with PyTorch's build for CPUs is named (PIP_FIND_LINKS,
# UV_INDEX), that build is taken; the one of PyPI needs several GB.
$(HOSTS)/.stamp: requirements-hosts.lock $(VENV)/.stamp-dev
	@echo "Frameworks of requirements-hosts.lock, in $(HOSTS)"
	@test -x $(HOSTS)/bin/python || $(UV) venv --quiet --python $(BIN)/python $(HOSTS)
	@$(NETWORK) $(UV) pip install --quiet --python $(HOSTS)/bin/python -r requirements-hosts.lock
	@printf 'import site; site.addsitedir("%s")\n' "$$($(BIN)/python -c $(PACKAGES))" > "$$($(HOSTS)/bin/python -c $(PACKAGES))/dev.pth"
	@touch $@

# The oldest MLflow, for tests that run one program in both.
$(VENV2)/.stamp: requirements-mlflow2.lock pyproject.toml $(VENV)/.stamp-uv
	@echo "Packages of requirements-mlflow2.lock, in $(VENV2)"
	@test -x $(VENV2)/bin/python || $(UV) venv --quiet --python $(BIN)/python $(VENV2)
	@$(NETWORK) $(UV) pip install --quiet --python $(VENV2)/bin/python --require-hashes -r requirements-mlflow2.lock; \
	$(UV) pip install --quiet --python $(VENV2)/bin/python --no-deps --no-build-isolation --editable .
	@touch $@

# System packages for the tests: a browser to open the report (its driver needs libatomic), Pango to lay out the PDF, a compiler for
# the fake GPU library, Prometheus, PostgreSQL for an MLflow server, and Java for Spark. As root also ip, which sets up networks that
# lead nowhere; only root may do that.
APT := apt-get install --yes --no-install-recommends chromium libatomic1 libpango-1.0-0 libpangoft2-1.0-0 gcc libc6-dev iproute2 prometheus postgresql openjdk-17-jre-headless
LIBRARIES := import ctypes as c; [c.CDLL(name) for name in ("libatomic.so.1", "libpango-1.0.so.0", "libpangoft2-1.0.so.0")]
NEEDED := Chromium, gcc, Java, Prometheus, PostgreSQL, Pango (libpango, libpangoft2) and libatomic
system: $(VENV)/.stamp-uv
	@if command -v chromium >/dev/null && command -v gcc >/dev/null && command -v prometheus >/dev/null && command -v java >/dev/null && \
	{ command -v initdb || ls -d /usr/lib/postgresql/*/bin; } >/dev/null 2>&1 && $(BIN)/python -c '$(LIBRARIES)' 2>/dev/null && \
	{ command -v ip >/dev/null || [ "$$(id -u)" != 0 ]; }; then exit 0; fi; \
	if ! command -v apt-get >/dev/null; then \
	  echo "The tests need ip (iproute2), $(NEEDED): install them with this system's package manager" >&2; exit 1; fi; \
	if [ "$$(id -u)" != 0 ]; then \
	  echo "The tests need $(NEEDED), and only root can install them:" >&2; \
	  echo "  sudo apt-get update && sudo $(APT)" >&2; exit 1; fi; \
	apt-get update --quiet && DEBIAN_FRONTEND=noninteractive $(APT)
