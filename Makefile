# latentlink: train on a host, flash a node, classify live over a link that carries bytes per second.
# `make help` lists targets and variables. Each target sets up what it needs. What is said on the command line is read,
# checked and acted on by the package latentlink; here stands only what must be there before.

ifndef PYTHON
PYTHON := $(or $(shell requirements/python.sh 3.11 3.12 3.13),python3.11)
endif
TORCH_INDEX ?=

VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
GLOBAL_READY := .venv-global/.ready

# A value reaches a program as it was typed: in MAKEFLAGS, and here between quotes. Make itself expands none.
quoted = '$(subst ','\'',$(value $(1)))'
unexport $(foreach name,$(.VARIABLES),$(if $(filter command,$(origin $(name))),$(name)))
STARTER = $(if $(wildcard $(PY)),'$(PY)',$(call quoted,PYTHON))
LATENTLINK = +@$(STARTER) -m latentlink make
IF_THERE = +@! $(STARTER) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || $(STARTER) -m latentlink make

STEPS := train export decoder live global bench seeds verdicts experiments report plot flash image deploy deploy-model \
	test test-image test-scenarios test-power-cuts nightly lint golden docs docs-check site dist clean clean-runs
TARGETS := help setup $(STEPS)
.PHONY: $(TARGETS) variables
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

$(TARGETS) $(READY) $(GLOBAL_READY): | variables

variables:
	$(IF_THERE) check $(filter $(TARGETS),$(MAKECMDGOALS))

help:  ## what there is to make
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 17
	@echo
	$(IF_THERE) help

setup: $(READY)  ## build .venv from the pinned lock of the Python that is found, or PYTHON= (TORCH_INDEX= chooses where PyTorch comes from)

$(READY): $(wildcard requirements/*3.1*.lock.txt) requirements/setup.sh
	@requirements/setup.sh $(VENV) $(call quoted,PYTHON) $(call quoted,TORCH_INDEX)
	@touch $@

$(GLOBAL_READY): requirements/global.lock.txt requirements/setup.sh
	@requirements/setup.sh $(@D) $(call quoted,PYTHON) '' global
	@touch $@

train: $(READY)  ## train DATASET with PRESET, or go on where it was interrupted
export: $(READY)  ## turn the trained checkpoint into RUN/bundle: int8 encoder, tables, decoder, report
decoder: $(READY)  ## another decoder for a bundle's host, its node untouched: TASK=label|coarse|fine|living|anomaly|thumbnail|new-class
live: $(READY)  ## classify live: node process, throttled line, host process, on one screen
global: $(READY) $(GLOBAL_READY)  ## 24 devices learn digits over Flower, some killed, one lying; then as live; writes global-real.json
bench: $(READY)  ## measure coder, node, host and link; writes bench.json
seeds: $(READY)  ## train, export and classify live with five seeds; writes seeds-NAME.json
verdicts: $(READY)  ## measure what stop verdicts save; writes verdicts-NAME.json
flash: $(READY)  ## make a node of TARGET=/dev/sdX|FILE.img|boot folder: SETTINGS=node.toml CONFIRM=yes (without: says what it would write); of a team all cards, FOG=
image: $(READY)  ## our own Debian arm64 image for Pi 3, 4, Zero 2 W (SUITE=bookworm|trixie MIRROR=url)
test-image: $(READY)  ## make that image, boot it in QEMU, its labels to a real host; writes boot-SUITE.json
test-scenarios: $(READY)  ## what goes wrong in the field, done to an emulated node; writes scenarios.json
test-power-cuts: $(READY)  ## cut an emulated node's power 20 times; writes power-cuts.json
deploy: $(READY)  ## new programs for the running node ADDRESS=, over SSH; of a team for one after the other
deploy-model: $(READY)  ## a bundle for the running node ADDRESS=, signed; taken back when it fails there; all of a team or none (BUNDLE= HOST_DIR=)
experiments: $(READY)  ## the studies, the command of each, and which results are here
report: $(READY)  ## docs/results.md, and docs/results.html (not in git) with its plots, from results/study-*.json
plot: $(READY)  ## draw docs/ from results/
test: $(READY)  ## all tests, JOBS= at a time
nightly: $(READY) $(GLOBAL_READY)  ## the long studies: loss, kills, adversary, fuzz, faults; writes link-*.json and faults.json (two hours)
lint: $(READY)  ## ruff and mypy
golden: $(READY)  ## rewrite tests/golden; review the diff
docs: $(READY)  ## write anew what docs/ says of keys, presets, commands and answers a day
site: $(READY)  ## README and docs/ as pages for a browser, into runs/site
docs-check: $(READY)  ## run every command that README and docs/ show, in a scratch copy
dist: $(READY)  ## a wheel in dist/, which pip installs anywhere
clean:  ## remove caches; runs, data and .venv stay
clean-runs:  ## say what lies in runs/, models and downloads included; CONFIRM=yes deletes it, RUN= only one of them

$(STEPS):
	$(LATENTLINK) $@ $(filter $(TARGETS),$(MAKECMDGOALS))
