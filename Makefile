# Everything a developer or a packager does. `make help` lists the targets.

PREFIX ?= /usr/local
DESTDIR ?=
LIBRARY := $(PREFIX)/lib/pykeepalived
UNITS := /lib/systemd/system
SHARE := $(PREFIX)/share/pykeepalived
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# many tests wait for real time to pass: more of them than there are processors
WORKERS ?= 3
SEEDS ?= 100000
FIRST ?= 0
ROUNDS ?= 500
TARGET ?= vrrp bfd pipe control agentx record config
SECONDS ?= 60
# so do guests
GUESTS ?= 4
# Many tests watch real daemons in real time: what failed among others is tried once more, alone.
AGAIN = test $$? = 1 && $(BIN)/pytest -q --last-failed --last-failed-no-failures none

BUILD_PACKAGES := python3-venv python3-dev gcc libc6-dev pkg-config libsystemd-dev
RUN_PACKAGES := iproute2 libnftables1 libpcre2-8-0
TEST_PACKAGES := keepalived bird2 frr ipvsadm nftables iptables ipset iputils-ping tcpdump procps kmod dbus user-mode-linux openssl snmpd snmp \
    redis-server postgresql mariadb-server nghttp2-server python3-grpcio zsh fish nginx-light haproxy postfix
MACHINE_PACKAGES := systemd qemu-system-x86 linux-image-amd64 busybox-static cpio zstd

.PHONY: help run test lint unit soak faults fuzz bench venv install uninstall clean format
.DEFAULT_GOAL := help

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

venv: $(VENV)/.ready ## the Python environment with everything in it

$(VENV)/.ready: pyproject.toml .ci/packages
	@.ci/packages $(BUILD_PACKAGES) $(RUN_PACKAGES)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable '.[test,dbus]'
	@touch $@

run: venv ## two daemons, one address: see it move when the master dies
	@$(BIN)/pykeepalived lab --demo etc/keepalived.conf

lint: venv ## format, lint, types, import contracts
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: venv ## the tests that need neither root nor other programs
	$(BIN)/pytest -q -n $(WORKERS) -m 'not netns and not vm and not interop and not slow'

test: venv lint ## all tests
	@.ci/packages $(TEST_PACKAGES) $(MACHINE_PACKAGES)
	$(BIN)/pytest -q -n $(WORKERS) -m 'not vm' || { $(AGAIN) -m 'not vm'; }
	$(BIN)/pytest -q -n $(GUESTS) --dist loadgroup -m vm || { $(AGAIN) -m vm; }

soak: venv ## random clusters in virtual time: SEEDS=100000 FIRST=0
	WORKERS=$(WORKERS) $(BIN)/python -m tests.sim.soak $(SEEDS) $(FIRST)

faults: venv ## kill, starve and flood real daemons: ROUNDS=500, root
	@.ci/packages $(TEST_PACKAGES)
	PK_FAULT_ROUNDS=$(ROUNDS) PK_FAULT_GUESTS=2 $(BIN)/pytest -q -s tests/netns/test_faults.py tests/vm/test_kills.py

fuzz: venv ## coverage-guided fuzzing: TARGET=vrrp bfd pipe control agentx record config, SECONDS=60 each
	$(BIN)/python -c 'import atheris' 2>/dev/null || $(BIN)/pip install --quiet atheris
	for target in $(TARGET); do $(BIN)/python -m tests.fuzz.by_hand $$target $(SECONDS) || exit 1; done

bench: venv ## figures and plots beside Debian's keepalived
	@.ci/packages $(TEST_PACKAGES) $(MACHINE_PACKAGES)
	$(BIN)/python -c 'import matplotlib' 2>/dev/null || $(BIN)/pip install --quiet matplotlib
	$(BIN)/python -m bench

format: venv ## put the sources into shape
	$(BIN)/ruff format --quiet .
	$(BIN)/ruff check --quiet --fix .

install: ## into $(DESTDIR)$(PREFIX), with units and default configuration
	@.ci/packages $(BUILD_PACKAGES) $(RUN_PACKAGES)
	rm -rf $(DESTDIR)$(LIBRARY)
	$(PYTHON) -m venv $(DESTDIR)$(LIBRARY)
	$(DESTDIR)$(LIBRARY)/bin/pip install --quiet --no-compile '.[dbus]'
	# the daemon alone, without the tools that made it; what is left must name its place, not where it is staged
	$(DESTDIR)$(LIBRARY)/bin/pip uninstall --quiet --yes setuptools pip
	find $(DESTDIR)$(LIBRARY)/bin -type f ! -name pykeepalived ! -name 'python*' -delete
	find $(DESTDIR)$(LIBRARY)/lib -name direct_url.json -delete
	sed -i '1s|^#!$(DESTDIR)|#!|' $(DESTDIR)$(LIBRARY)/bin/pykeepalived
	sed -i '/^command = /d' $(DESTDIR)$(LIBRARY)/pyvenv.cfg
	$(DESTDIR)$(LIBRARY)/bin/python -m compileall -q $(if $(DESTDIR),-s $(DESTDIR) -p /) $(DESTDIR)$(LIBRARY)/lib
	install -d $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)/etc/keepalived $(DESTDIR)$(UNITS) $(DESTDIR)$(SHARE)/keepalived.service.d
	ln -sf ../lib/pykeepalived/bin/pykeepalived $(DESTDIR)$(PREFIX)/sbin/pykeepalived
	for unit in pykeepalived.service pykeepalived-nonroot@.service; do \
	    sed 's|@SBIN@|$(PREFIX)/sbin|g' "systemd/$$unit" >"$(DESTDIR)$(UNITS)/$$unit"; done
	sed 's|@SBIN@|$(PREFIX)/sbin|g' systemd/keepalived.service.d/pykeepalived.conf \
	    >$(DESTDIR)$(SHARE)/keepalived.service.d/pykeepalived.conf
	test -e $(DESTDIR)/etc/keepalived/keepalived.conf || install -m 644 etc/keepalived.conf $(DESTDIR)/etc/keepalived/keepalived.conf

uninstall: ## remove what install put there; configuration stays
	rm -rf $(DESTDIR)$(LIBRARY) $(DESTDIR)$(SHARE)
	rm -f $(DESTDIR)$(PREFIX)/sbin/pykeepalived $(DESTDIR)$(UNITS)/pykeepalived.service $(DESTDIR)$(UNITS)/pykeepalived-nonroot@.service

clean: ## remove the environment and caches
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
