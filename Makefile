# Every target works alone: it sets up what it needs. `make` lists them.
.DEFAULT_GOAL := help
# Every target that `make` lists.
.PHONY: $(shell sed -n 's/^\([a-z0-9]*\):.*\#\# .*/\1/p' Makefile)

INVENTORY ?= inventories/rehearsal
export PATH := $(CURDIR)/.venv/bin:$(PATH)

# Loopback is never reached through a proxy.
LOOPBACK := 127.0.0.1,localhost
export NO_PROXY := $(LOOPBACK),$(NO_PROXY)
export no_proxy := $(LOOPBACK),$(no_proxy)

# ARM=1: hosts of arm64 instances are arm64, by emulation where the machine is not, and slow.
ifdef ARM
export REHEARSAL_ARM := $(ARM)
export ANSIBLE_TIMEOUT := 60
endif

# The rehearsal begins in an account without a default VPC; one that runs already is left as it is.
START := python -m rehearsal aws start --empty
ON_REHEARSAL = $(if $(findstring rehearsal,$(INVENTORY)),$(START),:)
# Stopping needs no more than the standard library, so it works without .venv too.
PYTHON := $(if $(wildcard .venv/bin/python),.venv/bin/python,python3)

# $(call given,MAKE,PLAYBOOK): the playbook's variable, if make's was given. One that was given empty is handed on as
# that: the playbook refuses it where leaving it out would do more.
given = $(if $(filter undefined,$(origin $1)),,-e "$2='$($1)'")
REPLACED = $(call given,HOST,host) $(call given,NAME,confirm) $(call given,WITHOUT,without)

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / {gsub(/[$$][$$]/, "$$"); printf "  make %-10s %s\n", $$1, $$2}' Makefile

setup: ## Create .venv from requirements.txt (does nothing if it is up to date)
	@bin/setup

aws: setup ## Start the local AWS and print exports: eval "$$(make -s aws)"
	@$(START)
	@python -m rehearsal aws env

rehearse: setup ## Build, configure and verify the whole platform on this machine (HOSTS=no: the account only, without root; ARM=1: arm64 emulated)
	@python -m rehearsal all

hosts: setup ## Start the local Debian hosts without configuring them (Linux, root or sudo)
	@python -m rehearsal hosts up
	@python -m rehearsal hosts status

shell: setup ## Log in to a local host: make shell HOST=KOIN_PROD
	@python -m rehearsal hosts shell $(or $(HOST),$(error say which: make shell HOST=KOIN_PROD))

down: ## Stop the local hosts and the local AWS
	@$(PYTHON) -m rehearsal hosts down
	@$(PYTHON) -m rehearsal aws stop

plan: setup ## Show what would change (INVENTORY=inventories/production for AWS)
	@$(ON_REHEARSAL)
	@ansible-playbook playbooks/plan.yml -i $(INVENTORY)/hosts.yml $(ARGS)

reach: setup ## Show who can reach whom; explain one path: make reach FROM=internet TO=KOIN_DB PORT=3306 (PROTOCOL=udp)
	@$(ON_REHEARSAL)
	@ansible-playbook playbooks/reach.yml -i $(INVENTORY)/hosts.yml $(call given,FROM,from) $(call given,TO,to) $(call given,PORT,port) $(call given,PROTOCOL,protocol) $(ARGS)

report: setup ## Write one page that shows the platform: report.html (FILE=…; HOSTS=yes: asks the hosts, too; INVENTORY=inventories/production for AWS)
	@$(ON_REHEARSAL)
	@ansible-playbook playbooks/report.yml -i $(INVENTORY)$(if $(filter yes,$(HOSTS)),,/hosts.yml) $(if $(FILE),-e file='$(abspath $(FILE))') $(ARGS)

publish: setup ## Put that page where the team finds it: /platform of the internal site (INVENTORY=inventories/production for AWS)
	@$(ON_REHEARSAL)
	@ansible-playbook playbooks/publish.yml -i $(INVENTORY) $(ARGS)

inventory: setup ## Show the hosts of the account and their groups
	@$(ON_REHEARSAL)
	@ansible-inventory -i $(INVENTORY) --graph

adopt: setup ## Write what the account has into group_vars: make adopt WHAT='record old.koreatech.in A' (WHAT=all; KEEP=live for what differs)
	@$(ON_REHEARSAL)
	@ansible-playbook playbooks/adopt.yml -i $(INVENTORY)/hosts.yml $(call given,WHAT,what) $(call given,KEEP,keep) $(ARGS)

configure: setup ## Configure the hosts (INVENTORY=inventories/production for AWS)
	@ansible-playbook playbooks/configure.yml -i $(INVENTORY) $(ARGS)

ssh: setup ## Log in to a host of INVENTORY: make ssh HOST=koin-prod (without HOST: list the hosts)
	@INVENTORY=$(INVENTORY) bin/koin-ssh $(HOST)

destroy: setup ## Delete what is declared, after saying it and asking for the platform's name (ONLY='bucket koin-archive': that alone)
	@$(ON_REHEARSAL)
	@ansible-playbook playbooks/destroy.yml -i $(INVENTORY)/hosts.yml $(call given,ONLY,only) $(call given,NAME,confirm) $(ARGS)

verify: setup ## Check that the account and the hosts match the declaration
	@ansible-playbook playbooks/verify.yml -i $(INVENTORY) $(ARGS)

history: setup ## List the runs; SINCE=2h (or a day) also says what changed in the account, and who did it
	@$(ON_REHEARSAL)
	@ansible-playbook playbooks/history.yml -i $(INVENTORY)/hosts.yml $(call given,SINCE,since) $(call given,TO,to) $(ARGS)

status: setup ## Say on one screen how the platform is; ends with 0 when all is well (INVENTORY=inventories/production for AWS)
	@ansible-playbook playbooks/status.yml -i $(INVENTORY) $(ARGS)

deploy: setup ## Deploy an image: make deploy SERVICE=koin-prod/api IMAGE=:1.4 (BACKUP=true: after a backup; INVENTORY=inventories/production for AWS)
	@ansible-playbook playbooks/deploy.yml -i $(INVENTORY) $(call given,SERVICE,service) $(call given,IMAGE,image) $(call given,BACKUP,backup) $(ARGS)

rollback: setup ## Go back to the release before: make rollback SERVICE=koin-prod/api (TO=3: to that one)
	@ansible-playbook playbooks/rollback.yml -i $(INVENTORY) $(call given,SERVICE,service) $(call given,TO,to) $(ARGS)

releases: setup ## Show what of a service ran when, and who deployed it: make releases SERVICE=koin-prod/api
	@ansible-playbook playbooks/releases.yml -i $(INVENTORY)/hosts.yml $(call given,SERVICE,service) $(ARGS)

restart: setup ## Start a service anew: make restart SERVICE=koin-prod/api (or reboot hosts: HOST=koin-prod)
	@ansible-playbook playbooks/restart.yml -i $(INVENTORY) $(call given,SERVICE,service) $(call given,HOST,host) $(ARGS)

logs: setup ## Show what a service wrote last: make logs SERVICE=koin-prod/api (LINES=200 SINCE=10m)
	@ansible-playbook playbooks/logs.yml -i $(INVENTORY) $(call given,SERVICE,service) $(call given,LINES,lines) $(call given,SINCE,since) $(ARGS)

maintenance: setup ## Show visitors a maintenance page: make maintenance ON=true, later ON=false (SITE=api.koreatech.in: of one site)
	@ansible-playbook playbooks/maintenance.yml -i $(INVENTORY) $(call given,ON,on) $(call given,SITE,site) $(ARGS)

rotate: setup ## Give a generated password a new value, and it to what uses it: make rotate SECRET=mariadb_koin_prod
	@ansible-playbook playbooks/rotate.yml -i $(INVENTORY) $(call given,SECRET,rotate) $(ARGS)

backup: setup ## Back up the database, volumes, cache and names now (INVENTORY=inventories/production for AWS)
	@ansible-playbook playbooks/backup.yml -i $(INVENTORY) $(ARGS)

restore: setup ## Restore the database beside the live one: make restore TO='2026-11-27 03:15:20 KST' (or TO=latest)
	@ansible-playbook playbooks/restore.yml -i $(INVENTORY) -e "to='$(or $(TO),$(error say to when: make restore TO='2026-11-27 03:15:20 KST'))'" $(ARGS)

rebuild: setup ## Lose everything in the rehearsal but the backups, build the platform from them, and count what came back
	@python -m rehearsal rebuild $(ARGS)

drill: setup ## Try whether the newest backup can be restored, on a host that is not the database's
	@ansible-playbook playbooks/drill.yml -i $(INVENTORY) $(ARGS)

replace: setup ## Replace a host by a new instance: make replace HOST=koin-prod NAME=KOIN_PROD (WITHOUT=cache; INVENTORY=inventories/production for AWS)
	@$(ON_REHEARSAL)
	@ansible-playbook playbooks/replace.yml -i $(INVENTORY)/hosts.yml $(REPLACED) $(ARGS)
	@$(if $(findstring rehearsal,$(INVENTORY)),python -m rehearsal hosts up)
	@ansible-playbook playbooks/hand_over.yml -i $(INVENTORY) $(REPLACED) $(ARGS)
	@$(if $(findstring rehearsal,$(INVENTORY)),python -m rehearsal hosts up)

unlock: setup ## Say who holds the lock; free it with HOLDER=NAME (INVENTORY=inventories/production for AWS)
	@ansible-playbook playbooks/unlock.yml -i $(INVENTORY)/hosts.yml $(call given,HOLDER,holder) $(ARGS)

audit: setup ## Audit hosts and account, and write docs/security.md (INVENTORY=inventories/production for AWS)
	@ansible-playbook playbooks/audit.yml -i $(INVENTORY) $(ARGS)

test: setup ## Run the gate (HOSTS=no: without molecule and e2e, which need Linux and root)
	@bin/test

unit: setup ## Run the unit tests (a minute or two; no network, no hosts)
	@python -m pytest tests/unit --numprocesses 2 --quiet $(ARGS)

faults: setup ## Provision while AWS's answers fail or lie, with every seed (hours; `make test` runs one)
	@python -m pytest tests/faults -o 'python_files=test_*.py long*.py' $(ARGS)

kills: setup ## Kill each everyday playbook at seeded moments on the rehearsal that runs (hours; KILLS=10 SEED=1)
	@$(ON_REHEARSAL)
	@TRIPWIRE_ALLOW=172.31.0.0/16 python -m pytest tests/e2e/long_kills.py -s $(ARGS)

everyday: setup ## Run every command of the everyday questions in docs/operations.md on the rehearsal that runs (a quarter of an hour)
	@$(ON_REHEARSAL)
	@TRIPWIRE_ALLOW=172.31.0.0/16 python -m pytest tests/e2e/long_everyday.py $(ARGS)

lint: setup ## Check style and types
	@ruff check .
	@ruff format --check .
	@mypy
	@yamllint --strict .
	@ansible-lint --offline

docs: setup ## Write the generated parts of the documentation
	@python bin/generate_docs.py

molecule: setup ## Test each host role on hosts of its own: make molecule SCENARIO=sshd (Linux, root or sudo)
	@bin/scenarios $(SCENARIO)

e2e: setup ## Run the tests against real local hosts (Linux, root or sudo; no rehearsal may run in its range)
	@TRIPWIRE_ALLOW=172.31.0.0/16 python -m pytest tests/e2e $(ARGS)

bench: setup ## Measure plan and provision, and Terraform for comparison if it is installed
	@python tests/bench/bench.py $(ARGS)

clean: down ## Stop local hosts and local AWS, and forget the rehearsal
	@rm -rf "$${REHEARSAL_DIR:-.rehearsal}"

distclean: clean ## clean, and remove .venv and caches
	@rm -rf .venv .cache .mypy_cache .pytest_cache .ruff_cache .ansible
