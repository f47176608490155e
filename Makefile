# latentlink: train on a host, flash a node, classify live over a link that carries bytes per second.
# `make help` lists the targets. Each one sets up what it needs.

PYTHON ?= python3.11
TORCH_INDEX ?=
DATASET ?= digits
DATA_DIR ?= data
LINK ?= lora-sf7
LOSS ?= none
IMAGES ?=
SEED ?=
IMAGE_SIZE ?= 64
STAGE ?= duphil

NAME := $(notdir $(patsubst %/,%,$(DATASET)))
PRESET ?= $(or $(PRESET_$(NAME)),photo-32)
PRESET_digits := digits
PRESET_cifar10 := cifar-32
PRESET_cifar100 := cifar-32
RUN ?= runs/$(NAME)-$(PRESET)
# A released bundle serves where there is one; `make live BUNDLE=…` takes any other.
BUNDLE ?= $(if $(wildcard models/$(NAME)/manifest.json),models/$(NAME),$(RUN)/bundle)

VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
DATA_OPTIONS = --dataset $(DATASET) --data-dir $(DATA_DIR) --image-size $(IMAGE_SIZE)
export DATA_DIR

.PHONY: help setup train export live bench seeds plot test lint golden clean
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

help:  ## what there is to make
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10
	@echo
	@echo 'Variables: DATASET=digits|cifar10|cifar100|FOLDER  PRESET=digits|cifar-16|cifar-32|cifar-32-fine|cifar-64|cifar100-64|photo-32'
	@echo '           LINK=lora-sf7|lora-sf10-eu868|serial-9600|… LOSS=none|0.1|mild|mid|edge|ge:p,r  IMAGES=n  SEED=n'
	@echo '           DATA_DIR=folder  RUN=folder  BUNDLE=folder  START_FROM=checkpoint  STAGE=duphil|ce  LATENTS=n'
	@echo '           PYTHON=python3.11  TORCH_INDEX=url of a wheel index'

setup: $(READY)  ## build .venv from the pinned lock (TORCH_INDEX= chooses where PyTorch comes from)

$(READY): requirements/host.lock.txt requirements/setup.sh
	@requirements/setup.sh $(VENV) $(PYTHON) $(TORCH_INDEX)
	@touch $@

TRAIN = $(PY) -m host_training train $(DATA_OPTIONS) --preset $(PRESET) --run $(RUN) $(if $(SEED),--seed $(SEED)) \
	$(if $(START_FROM),--start-from $(START_FROM))
EXPORT = $(PY) -m export --checkpoint $(RUN)/$(STAGE).pt --out $(RUN)/bundle --dataset $(DATASET) --data-dir $(DATA_DIR) \
	$(if $(LATENTS),--latents $(LATENTS))

train: $(READY)  ## train DATASET with PRESET into RUN, or go on where it was interrupted
	$(TRAIN)

$(RUN)/trained: | $(READY)
	$(TRAIN)
	@touch $@

export: $(RUN)/trained  ## turn the trained checkpoint into RUN/bundle: int8 encoder, tables, decoder, report
	$(EXPORT)

$(RUN)/bundle/manifest.json: $(RUN)/trained
	$(EXPORT)

%/manifest.json:
	@echo "there is no bundle in $*; 'make export' writes one, BUNDLE= names another folder" >&2; exit 1

$(RUN)/replay.npz: | $(READY)
	$(PY) -m host_training replay $(DATA_OPTIONS) --out $@

live: $(BUNDLE)/manifest.json $(RUN)/replay.npz  ## classify live: node process, throttled line, host process, on one screen
	$(PY) -m host_decoder live --bundle $(BUNDLE) --replay $(RUN)/replay.npz --link $(LINK) --loss $(LOSS) \
		$(if $(IMAGES),--images $(IMAGES)) $(if $(SEED),--seed $(SEED))

bench: $(BUNDLE)/manifest.json $(RUN)/replay.npz  ## measure coder, node, host and link; writes results/bench.json
	$(PY) -m tests.bench --bundle $(BUNDLE) --replay $(RUN)/replay.npz --study bench$(addprefix -,$(filter-out digits,$(NAME)))

seeds: $(READY)  ## train, export and classify live with five seeds; writes results/seeds-NAME.json
	$(PY) -m tests.seeds --dataset $(DATASET) --data-dir $(DATA_DIR) --link $(LINK)

plot: $(READY)  ## draw docs/ from results/
	$(PY) -m tests.plot

test: $(READY)  ## all tests
	$(PY) -m pytest

lint: $(READY)  ## ruff and mypy
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

golden: $(READY)  ## rewrite tests/golden; review the diff
	$(PY) -m tests.golden.make

clean:  ## remove runs and caches; .venv and data stay
	rm -rf runs .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
