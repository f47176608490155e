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

NAME := $(notdir $(patsubst %/,%,$(DATASET)))
PRESET ?= $(or $(PRESET_$(NAME)),photo-32)
PRESET_digits := digits
PRESET_cifar10 := cifar-32
PRESET_cifar100 := wide-70
PRESET_cifar100-coarse := wide-70
STAGE ?= $(if $(filter $(PRESET),$(CE_ALONE)),ce,duphil)
CE_ALONE := narrow-20 plain-20 plain-20-fine plain-20-medium wide-70 wide-70-fine wide-70-long plain-5-long plain-20-long plain-120 teacher
RUN ?= runs/$(NAME)-$(PRESET)
# A released bundle serves where there is one; `make live BUNDLE=…` takes any other.
BUNDLE ?= $(if $(wildcard models/$(NAME)/manifest.json),models/$(NAME),$(RUN)/bundle)

# What figures are filed under: the released bundle's name, else the data set's.
MEASURED = $(if $(filter models/%,$(BUNDLE)),$(notdir $(BUNDLE)),$(NAME))

SETTINGS ?= node.toml
JOBS ?= 2
SUITE ?= bookworm
MIRROR ?=

VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
FLASH = $(PY) -m device.flash
DATA_OPTIONS = --dataset $(DATASET) --data-dir $(DATA_DIR) --image-size $(IMAGE_SIZE)
export DATA_DIR

.PHONY: help setup train export decoder live bench seeds verdicts experiments report flash image test-image test-scenarios test-power-cuts \
	deploy deploy-model plot test nightly lint golden clean
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

help:  ## what there is to make
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 17
	@echo
	@echo 'Variables: DATASET=digits|cifar10|cifar100|cifar100-coarse|FOLDER  PRESET=narrow-5|narrow-20|digits|cifar-16|cifar-32|cifar-32-fine|cifar-32-quick|cifar-64|cifar100-64|plain-20|plain-20-fine|plain-20-medium|wide-70|wide-70-fine|wide-70-long|plain-5-long|plain-20-long|plain-120|teacher|photo-32'
	@echo '           LINK=lora-sf7|lora-sf10-eu868|rn2483-sf9|serial-9600|… LOSS=none|0.1|mild|mid|edge|ge:p,r  IMAGES=n  SEED=n'
	@echo '           INTERVAL=seconds between images  FEEDBACK=no  VERDICT=0.95  FIRST_CHUNK_BYTES=n  CHUNK_BYTES=n'
	@echo '           TASK=name of a decoder  TASK_LOSS=ce|kl|svm  EXAMPLES=folder|cifar100:bicycle  SHOTS=n'
	@echo '           DATA_DIR=folder  RUN=folder  BUNDLE=folder  START_FROM=checkpoint  TEACHER=checkpoint  STAGE=duphil|ce  LATENTS=n  ORDER=importance  COARSENESS=1.5  VIEWS=2|6  MAX_DROP=points'
	@echo '           PYTHON=python3.11  TORCH_INDEX=url of a wheel index  JOBS=tests at a time'

setup: $(READY)  ## build .venv from the pinned lock (TORCH_INDEX= chooses where PyTorch comes from)

$(READY): requirements/host.lock.txt requirements/setup.sh
	@requirements/setup.sh $(VENV) $(PYTHON) $(TORCH_INDEX)
	@touch $@

TRAIN = $(PY) -m host_training train $(DATA_OPTIONS) --preset $(PRESET) --run $(RUN) $(if $(SEED),--seed $(SEED)) \
	$(if $(START_FROM),--start-from $(START_FROM)) $(if $(TEACHER),--teacher $(TEACHER))
EXPORT = $(PY) -m export --checkpoint $(RUN)/$(STAGE).pt --out $(RUN)/bundle --dataset $(DATASET) --data-dir $(DATA_DIR) \
	$(if $(LATENTS),--latents $(LATENTS)) $(if $(ORDER),--order $(ORDER)) $(if $(COARSENESS),--coarseness $(COARSENESS)) \
	$(if $(VIEWS),--views $(VIEWS)) \
	$(if $(MAX_DROP),--max-drop-points $(MAX_DROP))

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

decoder: $(BUNDLE)/manifest.json  ## another decoder for BUNDLE's host, its node untouched: TASK=label|coarse|fine|living|anomaly|thumbnail|new-class
	$(PY) -m export decoder --bundle $(BUNDLE) --task "$(TASK)" --data-dir $(DATA_DIR) \
		$(if $(filter-out file,$(origin DATASET)),--dataset $(DATASET)) $(if $(TASK_NAME),--name $(TASK_NAME)) $(if $(TASK_LOSS),--loss $(TASK_LOSS)) $(if $(SEED),--seed $(SEED)) \
		$(if $(EXAMPLES),--examples $(EXAMPLES)) $(if $(SHOTS),--shots $(SHOTS))

$(RUN)/replay.npz: | $(READY)
	$(PY) -m host_training replay $(DATA_OPTIONS) --out $@

live: $(BUNDLE)/manifest.json $(RUN)/replay.npz  ## classify live: node process, throttled line, host process, on one screen
	$(PY) -m host_decoder live --bundle $(BUNDLE) --replay $(RUN)/replay.npz --link $(LINK) --loss $(LOSS) \
		$(if $(IMAGES),--images $(IMAGES)) $(if $(SEED),--seed $(SEED)) $(if $(INTERVAL),--interval $(INTERVAL)) \
		$(if $(filter no,$(FEEDBACK)),--no-feedback) $(if $(VERDICT),--verdict $(VERDICT)) \
		$(if $(FIRST_CHUNK_BYTES),--first-chunk-bytes $(FIRST_CHUNK_BYTES)) $(if $(CHUNK_BYTES),--chunk-bytes $(CHUNK_BYTES))

bench: $(BUNDLE)/manifest.json $(RUN)/replay.npz  ## measure coder, node, host and link; writes results/bench.json
	$(PY) -m tests.bench --bundle $(BUNDLE) --replay $(RUN)/replay.npz --study bench$(addprefix -,$(filter-out digits,$(MEASURED)))

seeds: $(READY)  ## train, export and classify live with five seeds; writes results/seeds-NAME.json
	$(PY) -m tests.seeds --dataset $(DATASET) --data-dir $(DATA_DIR) --link $(LINK)

verdicts: $(BUNDLE)/manifest.json  ## measure what stop verdicts save; writes results/verdicts-NAME.json
	$(PY) -m tests.verdicts --bundle $(BUNDLE) --dataset $(DATASET) --data-dir $(DATA_DIR)

flash: $(READY)  ## make a node of TARGET=/dev/sdX|FILE.img|boot folder: SETTINGS=node.toml CONFIRM=yes [IMAGE=FILE.img]
	$(FLASH) card "$(TARGET)" --settings $(SETTINGS) $(if $(HOST_TOML),--host $(HOST_TOML)) \
		$(if $(IMAGE),--image $(IMAGE)) $(if $(NODE),--node $(NODE)) $(if $(USER_NAME),--user $(USER_NAME)) \
		$(if $(SSH_KEY),--ssh-key $(SSH_KEY)) $(if $(CONFIRM),--confirm $(CONFIRM)) $(if $(DRY_RUN),--dry-run) \
		$(if $(REPLACE),--replace $(REPLACE))

image: $(READY)  ## our own Debian arm64 image for Pi 3, 4, Zero 2 W (SUITE=bookworm|trixie MIRROR=url)
	$(FLASH) image --suite $(SUITE) $(if $(MIRROR),--mirror $(MIRROR))

test-image: $(READY)  ## make that image, boot it in QEMU, its labels to a real host; writes results/boot-SUITE.json
	$(PY) -m tests.flash.boot_image --suite $(SUITE) $(if $(MIRROR),--mirror $(MIRROR))

test-scenarios: $(READY)  ## what goes wrong in the field, done to an emulated node; writes results/scenarios.json
	$(PY) -m tests.flash.scenarios --suite $(SUITE) $(if $(MIRROR),--mirror $(MIRROR))

test-power-cuts: $(READY)  ## cut an emulated node's power 20 times; writes results/power-cuts.json
	$(PY) -m tests.flash.power_cuts --longest 90 --limit 400 --suite $(SUITE) $(if $(MIRROR),--mirror $(MIRROR))

deploy: $(READY)  ## new programs for the running node HOST=, over SSH
	$(FLASH) deploy $(HOST)

deploy-model: $(BUNDLE)/manifest.json  ## a bundle for the running node HOST=, signed; taken back when it fails there (BUNDLE= HOST_TOML=)
	$(FLASH) deploy $(HOST) --bundle $(BUNDLE) $(if $(HOST_TOML),--host $(HOST_TOML))

experiments: $(READY)  ## the studies, the command of each, and which results are here
	@$(PY) -m tests.studies

report: $(READY)  ## docs/results.md and docs/results.html from results/study-*.json
	$(PY) -m tests.studies.report

plot: $(READY)  ## draw docs/ from results/
	$(PY) -m tests.plot

test: $(READY)  ## all tests, JOBS= at a time
	$(PY) -m pytest -n $(JOBS) --dist loadfile

nightly: $(READY)  ## the link's long studies: loss, kills, adversary, fuzz; writes results/link-*.json (an hour)
	$(PY) -m tests.link.simulation
	$(PY) -m tests.link.many_nodes
	$(PY) -m tests.erasure
	$(PY) -m tests.kills
	$(PY) -m tests.fuzz
	LATENTLINK_NIGHTLY=1 $(PY) -m pytest tests/link tests/device tests/test_kills.py tests/fuzz

lint: $(READY)  ## ruff and mypy
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

golden: $(READY)  ## rewrite tests/golden; review the diff
	$(PY) -m tests.golden.make
	$(PY) -m tests.golden.capture

clean:  ## remove runs and caches; .venv and data stay
	rm -rf runs .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
