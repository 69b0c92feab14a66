# Every job of this repository is one target; continuous integration runs "make test" and nothing else.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
.PHONY: help setup check slow static component-server component-sockets component-operator quick format test e2e e2e-full peers images simulate bench gpu gpu-packages crds dashboards demo-models demo demo-down

unexport PYTHONDONTWRITEBYTECODE  # else each of the hundred processes compiles its modules again

cache := $(or $(ASR_OPERATOR_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/asr-operator)
uv_version := 0.13.9
uv := $(cache)/uv-$(uv_version)/bin/uv
venv := .venv/.synced
helm := $(shell command -v helm || echo $(cache)/bin/helm)
promtool := $(shell command -v promtool || echo $(cache)/bin/promtool)
# which tests of a folder run, and how many examples of each property; "make slow" picks the others, and all properties in full
pick := not slow
examples := quick
chosen = .venv/bin/pytest -q -m "$(pick)" --hypothesis-profile $(examples)
# tests that wait more than they compute run beside those that compute
sockets := tests/component/asr_server/bench tests/component/asr_server/service
gpu_packages := msgspec|prometheus-client|pyyaml|sentencepiece|soxr|websockets
gpu_packages := $(gpu_packages)|antlr4-python3-runtime|audioread|cffi|decorator|funasr|hydra-core|jaconv|jamo|kaldi-native-fbank|kaldiio|lazy-loader|librosa
gpu_packages := $(gpu_packages)|msgpack|omegaconf|platformdirs|pooch|pycparser|pytorch-wpe|rapidfuzz|soundfile|torch-complex
gpu_python := $(or $(wildcard .venv/bin/python),python3)
GPU_PYTHON ?= 3.11
ffmpeg := $(shell command -v ffmpeg || echo /usr/bin/ffmpeg)

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: $(venv) $(helm) $(promtool) $(ffmpeg) ## get uv, the virtual environment, Helm, promtool and ffmpeg (git, Python 3.11 and Go must be there)

$(uv):
	@echo "get uv $(uv_version)" >&2
	@python3.11 -m venv $(cache)/uv-$(uv_version)
	@$(cache)/uv-$(uv_version)/bin/pip install -q uv==$(uv_version)

$(venv): uv.lock pyproject.toml operator/pyproject.toml server/pyproject.toml | $(uv)
	@echo "make .venv as uv.lock says (6 GB and a minute or two the first time)" >&2
	@$(uv) sync -q --frozen --all-packages --compile-bytecode
	@touch $@

$(helm) $(promtool):
	@tests/cluster/cluster tool $(@F) >/dev/null

$(ffmpeg):
	@[ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null || { echo "ffmpeg is missing: install it" >&2; exit 1; }
	@echo "install Debian's ffmpeg" >&2
	@apt-get -o Acquire::Retries=3 update -qq && DEBIAN_FRONTEND=noninteractive apt-get -o Acquire::Retries=3 install -y -qq --no-install-recommends ffmpeg >/dev/null

check: setup ## format, lint, types, layers, and all tests that need no cluster but those that are slow
	@$(MAKE) -j3 -k --output-sync=target component-server component-sockets component-operator quick static
	@echo "left out: the slow tests ('deselected' above); make test runs them, make slow runs them alone"

slow: setup ## what make check leaves out: parity with FunASR in full, recorded traffic, long runs, most examples of properties
	@$(MAKE) -j2 -k --output-sync=target pick='slow or hypothesis' examples=full component-server component-sockets component-operator quick

static: $(venv)
	@.venv/bin/ruff format -q --check .
	@.venv/bin/ruff check -q .
	@.venv/bin/mypy --cache-dir $(cache)/mypy # of all checkouts: without one it takes 50 s of CPU
	@.venv/bin/lint-imports --no-logo 2>&1 | tail -n 1
	@bash -n tests/cluster/cluster tests/cluster/parts/* tests/cluster/with-cluster tests/cluster/images

component-server: $(venv)
	@$(chosen) tests/component --ignore tests/component/asr_operator $(sockets:%=--ignore %)

component-sockets: $(venv)
	@$(chosen) $(sockets)

component-operator: $(venv)
	@$(chosen) tests/component/asr_operator

quick: $(venv)
	@$(chosen) tests/unit tests/contract tests/charts

format: $(venv) ## format and mend what can be mended
	@.venv/bin/ruff format .
	@.venv/bin/ruff check --fix .

test: check slow ## all that needs no GPU: check, slow, then e2e where there can be a cluster (it says so where not)
	@tests/cluster/with-cluster --if-any .venv/bin/pytest tests/e2e

e2e: setup ## end-to-end tests on a real Kubernetes: KUBECONFIG's, kind's, or our own (as root)
	@tests/cluster/with-cluster .venv/bin/pytest tests/e2e

e2e-full: setup ## end-to-end tests with KEDA too, in our own cluster; it takes 6 minutes to build, once
	@tests/cluster/cluster up
	@tests/cluster/cluster keda
	@eval "$$(tests/cluster/cluster env)"; tests/cluster/with-cluster .venv/bin/pytest tests/e2e

peers: $(venv) ## speak to the server with other people's clients: make peers FUNASR_SRC=<checkout of FunASR> [RECORD=1]
	@test -d "$${FUNASR_SRC:?name a checkout of FunASR, with its history}/runtime/python" || \
	  { echo "FUNASR_SRC=$$FUNASR_SRC is no checkout of FunASR" >&2; exit 2; }
	@UV=$(uv) .venv/bin/pytest tests/peers

simulate: $(venv) ## the autoscaler against other rules and oracles in simulation (13 minutes on 2 cores; goes on where it was ended)
	@.venv/bin/python -m benchmarks.autoscaling

bench: $(venv) ## the server's speed beside FunASR's own (17 minutes; FUNASR_SRC=<checkout of FunASR> adds its WebSocket server)
	@.venv/bin/python -m benchmarks.server

gpu: ## on a CUDA machine that has torch: correctness, throughput, AutoModel beside, sessions, timeline (unattended; benchmarks/results/gpu.json)
	@PYTHONPATH=server:build/gpu-packages $(gpu_python) -m benchmarks.gpu

gpu-packages: $(uv) ## what make gpu needs besides torch, torchaudio, numpy, scipy, numba and sklearn, for a machine without a network (GPU_PYTHON=3.11)
	@rm -rf build/gpu-packages
	@$(uv) export -q --frozen --no-emit-workspace --no-hashes --no-header --no-annotate --all-packages --all-extras --all-groups \
	  | grep -E '^($(gpu_packages))==' | sed 's/ ;.*//' \
	  | $(uv) pip install -q --target build/gpu-packages --python-version $(GPU_PYTHON) --no-deps -r -
	@du -sh build/gpu-packages

images: ## build localhost/asr-operator:dev and localhost/asr-server:dev, by Docker or by buildah as root
	@tests/cluster/images

crds: ## copy the definition of AsrService into the chart
	@cp crds/asrservices.yaml charts/asr-operator/files/asrservices.yaml

dashboards: $(venv) ## write the dashboards of the chart from monitoring/
	@.venv/bin/python monitoring/write.py charts/asr-operator/dashboards

demo-models: $(venv) ## train the packaged demo models anew (needs espeak-ng; about an hour on one core)
	@.venv/bin/python -m demo_models

demo: setup ## from nothing to spoken words, then a load that rises and falls (DEMO_LOAD=0: the words only)
	@tests/cluster/with-cluster .venv/bin/python examples/demo/demo.py

demo-down: ## end the cluster if the demo started it, else remove the demo from it
	@tests/cluster/with-cluster --down examples/demo/remove
