# `make` lists the targets. Everything happens in .venv, which `setup` makes.

TOPOLOGY ?= aio
CLOUD ?= examples/$(TOPOLOGY).yaml
COUNT ?= 100
VENV := .venv
CW := $(VENV)/bin/cloudwright
PYTHON := $(VENV)/bin/python
CODE := src tests benchmarks tools
QUICK := tests/unit tests/golden tests/simulated

# What tests use beside what the tool itself needs: a browser, a real sshd, a static shell, an archive, a wrong clock.
TEST_PACKAGES := chromium chromium-driver openssh-server busybox-static cpio sudo libfaketime

.PHONY: help setup demo test long test-ha injections check format lint quick ready packages golden reference bench bench-ha bench-ha-kolla bench-hosts bench-scale clean
.DEFAULT_GOAL := help

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/ready ## make .venv with cloudwright and what tests need

$(VENV)/ready: pyproject.toml tools/setup
	tools/setup $(VENV)
	@touch $@

demo: setup ## from an empty machine to a running instance that answers over SSH
	$(CW) doctor --fix
	$(CW) images build -c $(CLOUD)
	$(CW) lab up $(CLOUD)
	$(CW) apply --yes $(CLOUD)
	$(CW) smoke --keep $(CLOUD)

test: lint ready packages ## every test tier, a real cloud included
	$(PYTHON) -m pytest

long: ready packages ## the tests that take minutes each: power cut, destroy, stop and start
	$(PYTHON) -m pytest -m long
	CLOUDWRIGHT_FLEET=1500 $(PYTHON) -m pytest tests/simulated/test_fleet.py

test-ha: ready packages ## every drill on a real cloud over two sites and a witness
	$(PYTHON) -m pytest tests/ha -m 'ha or not ha' --capture=no

injections: ready packages ## COUNT failures at random on real clusters under load; SEED repeats a run
	CLOUDWRIGHT_INJECTIONS=$(COUNT) CLOUDWRIGHT_SEED=$(SEED) $(PYTHON) -m pytest --capture=no \
	  tests/machine/test_clusters.py -k whatever_fails

check: lint quick ## format, lint, types, layers and the quick tiers: no network

lint: setup ## format, lint, types and layers
	$(VENV)/bin/ruff format --check $(CODE)
	$(VENV)/bin/ruff check $(CODE)
	$(VENV)/bin/mypy
	$(VENV)/bin/mypy benchmarks tools
	$(VENV)/bin/lint-imports

quick: setup ## the tiers that need nothing but Python
	$(PYTHON) -m pytest $(QUICK)

ready: setup ## this machine and the container images, ready for a lab
	$(CW) doctor --fix
	$(CW) images build

packages: ## Debian packages that only tests use
	@[ "$$(dpkg-query -W -f '$${db:Status-Status}\n' $(TEST_PACKAGES) 2>/dev/null | grep -cx installed)" \
	  -eq $(words $(TEST_PACKAGES)) ] || { apt-get -qq update && \
	  DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends $(TEST_PACKAGES); }

format: setup ## format the code
	$(VENV)/bin/ruff format $(CODE)
	$(VENV)/bin/ruff check --fix $(CODE)

golden: setup ## write the golden files anew; look at `git diff` then
	CLOUDWRIGHT_GOLDEN=1 $(PYTHON) -m pytest tests/golden

reference: setup ## write docs/reference anew from the code
	$(PYTHON) tools/reference.py

bench: ready packages ## measure, on an idle machine: a cloud on it, a look at 100 hosts, up to 1,000 simulated ones
	$(PYTHON) benchmarks/bench.py --images
	$(PYTHON) benchmarks/no_op_hosts.py
	$(PYTHON) benchmarks/scale.py

bench-ha: ready ## drill a cloud over two sites again and again: times, losses, memory
	$(PYTHON) benchmarks/ha.py

bench-ha-kolla: ready ## the loss of a site, and again with Kolla-Ansible's timers and database settings
	$(PYTHON) benchmarks/ha.py --kolla 'lose-site a' 'lose-site b'

bench-hosts: setup packages ## how long a look at 100 hosts takes, over real SSH
	$(PYTHON) benchmarks/no_op_hosts.py

bench-scale: setup ## plan and apply 10, 100 and 1,000 simulated hosts: time and memory per stage
	$(PYTHON) benchmarks/scale.py

clean: ## remove .venv and caches; no lab, no cloud, no image
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
