# Two commands matter: `make demo` and `make test`. Everything else is what they are made of.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
READY  := $(VENV)/.ready
SOURCE := pyproject.toml $(wildcard proto/ursa/wire/*.proto)

.PHONY: demo test services check lint types contracts unit e2e bench conformance clean

## demo: one global, two zones, real Envoys, real traffic, a fail-over to watch
##       ONCE=1: unattended, ends with one line of JSON; PORTS_FROM=n: other ports than 25600 to 25899
demo: $(READY)
	@$(BIN)/python -m deploy.demo $(if $(ONCE),--once) $(if $(PORTS_FROM),--ports-from $(PORTS_FROM))

## test: lint, types, import contracts and every test; installs the servers that tests need, where it may
test: services check unit e2e

services:
	@deploy/test/install-services.sh || echo "going on without: the tests that need them will be skipped" >&2

check: lint types contracts

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

contracts: $(STAMP)
	$(BIN)/lint-imports --no-cache

## unit: what needs no process of its own; e2e: real control planes, proxies and traffic, on ports and networks of their own
REAL := tests/e2e tests/failure tests/docs

# Tests with processes and time in them run side by side on machines that others use. What fails is run once more, alone,
# and has to pass then; the output shows both runs. (1: tests failed; anything else is no reason to try again.)
AGAIN = || { test $$? -eq 1 && echo "once more, alone:" && \
	$(BIN)/pytest -q --last-failed --last-failed-no-failures none --timeout 300 $(1); }

unit: $(STAMP)
	$(BIN)/pytest -q -n 3 --dist loadfile tests $(addprefix --ignore=,$(REAL)) \
	$(call AGAIN,tests $(addprefix --ignore=,$(REAL)))

e2e: $(STAMP)
	$(BIN)/pytest -q -n 2 --dist loadgroup --timeout 300 $(REAL) $(call AGAIN,$(REAL))

## bench: a control plane with 1000 fake proxies; prints JSON (PROXIES=n)
bench: $(STAMP)
	@$(BIN)/python -m bench.xds --proxies $(or $(PROXIES),1000)

## conformance: recorded cases from the shared folder, where it is present
conformance: $(STAMP)
	@$(BIN)/python -m tests.conformance

# What is run needs less than what is tested.
$(READY): EXTRAS := envoy
$(STAMP): EXTRAS := dev
$(READY) $(STAMP): $(SOURCE)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing Ursa and what it needs into $(VENV) (once) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check -e '.[$(EXTRAS)]'
	@touch $@

clean:
	rm -rf $(VENV) out ursa/wire .mypy_cache .ruff_cache .pytest_cache .hypothesis
