# Watchword: `make demo` and `make test` are all a newcomer needs; `make help` lists the rest.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

WORD ?= hey lighthouse
BOARD ?= emu-c3
PORT ?= emu:c3
PYTHON ?= python3
EXTRAS ?=
VENV := .venv
BIN := $(VENV)/bin
CORE_SOURCES := $(wildcard firmware/core/*/*.c firmware/core/*/*.h firmware/core/include/watchword/*.h)
HOURS ?= 24
AMOUNT ?= 100
COST ?= $(BENCH)
# The phrase as one word of a shell, whatever it holds.
WORD_QUOTED = '$(subst ','\'',$(WORD))'
MODEL ?= models/$(shell PYTHONPATH=host $(PYTHON) -m watchword.words $(WORD_QUOTED))
MANIFEST ?= models/alexa-esphome/alexa.json
PYTHON_CODE := host tests tools esphome setup.py
C_CODE := 'firmware/*.[ch]' 'tests/*.[ch]' 'examples/*.[ch]' 'esphome/*.h' 'esphome/*.cpp' 'tests/esphome/*.cpp'
CORE_BUILT := $(VENV)/core.stamp
export TF_CPP_MIN_LOG_LEVEL ?= 2

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-19s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo '  Settings: WORD="hey lighthouse"  BOARD=emu-c3  PORT=emu:c3  MODEL=models/<word>  EXTRAS=tts,search'

system: ## Debian packages (compilers, QEMU, voices); uses sudo where needed
	@tools/setup/install_system.sh

$(VENV)/installed.stamp: pyproject.toml setup.py tools/setup/install_python.sh $(wildcard requirements/*.txt) | system
	@PYTHON="$(PYTHON)" VENV="$(VENV)" EXTRAS="$(EXTRAS)" tools/setup/install_python.sh
	@touch $@

$(CORE_BUILT): $(VENV)/installed.stamp host/watchword/core_build.py $(CORE_SOURCES)
	@echo "== compiling the C core for Python"
	@$(BIN)/python host/watchword/core_build.py > $(VENV)/core.log 2>&1 || { cat $(VENV)/core.log; exit 1; }
	@touch $@

setup: $(CORE_BUILT) ## Everything needed to run: packages, virtual environment, compiled core

demo: setup ## Speech -> trained model -> firmware -> measured on an emulated ESP32-C3 (WORD="any phrase")
	@$(BIN)/python -m tools.run.demo $(WORD_QUOTED)

check: lint ## Lint and the fast tests, in about a minute: no emulated board, TensorFlow, real recordings or slow test
	@$(BIN)/python -m pytest -q -n 2 --dist loadfile -m "not (emu or train or real or slow)" tests/golden tests/host

test: setup ## All tests, fast ones first; the emulated boards' too when an earlier one fails
	@host=passed; boards=passed; \
	$(BIN)/python -m pytest -n 2 --dist loadfile $(COVERAGE) tests/golden tests/host tests/c tests/train tests/esphome \
		tests/torture || host=FAILED; \
	$(BIN)/python -m pytest $(COVERAGE) $(if $(COVERAGE),--cov-append) tests/emu || boards=FAILED; \
	echo "== tests on this computer $$host, on the emulated boards $$boards"; \
	[ "$$host $$boards" = "passed passed" ]

esphome: setup ## The real ESPHome in .cache/esphome, for tests/esphome (Python 3.12 or newer: ESPHOME_PYTHON=...)
	@$(BIN)/python -m tools.setup.esphome

test-home-assistant: setup ## A real Home Assistant hears the word (Python 3.13.2 or newer: HOME_ASSISTANT_PYTHON=...; PAGE=FILE takes notes)
	@$(BIN)/python -m tools.run.home_assistant $(if $(PAGE),--page '$(PAGE)')

coverage: ## The same, and what share of each Python file it ran (not what C or other processes did)
	@$(MAKE) --no-print-directory test COVERAGE='--cov --cov-report='
	@$(BIN)/coverage report --sort=cover

cost: setup ## Instructions, sizes and speeds of MODEL; fails if one rose by over 2 % (docs/evidence/cost.md)
	@$(BIN)/python -m tools.cost.measure --model $(MODEL) $(COST)

bench: cost # the older name

soak: setup ## HOURS of audio through the board at PORT in one stream: every score equal, no drift, no leak
	@$(BIN)/python -m tools.studies.soak --hours $(HOURS) --port $(PORT) --model $(MODEL) $(SOAK)

torture: setup ## Every promise of docs/evidence/reliability.md tried AMOUNT times as often as by `make test`; writes that page
	@$(BIN)/python -m tools.run.torture --amount $(AMOUNT)

bench-accuracy: setup ## alexa beside two peers from PyPI on the recordings of WATCHWORD_DATA and WATCHWORD_MORE (docs/evidence/accuracy.md)
	@$(BIN)/python -m tools.accuracy.benchmark $(ACCURACY)

pareto: setup ## What each architecture costs, and what RUNS of it miss (docs/evidence/pareto.md)
	@$(BIN)/python -m tools.studies.pareto $(RUNS)

reference: setup ## Write docs/reference/settings.md and results.md, and the JSON Schemas, from the code
	@$(BIN)/python -m tools.generate.settings
	@$(BIN)/python -m tools.generate.results

settings: reference

lock: setup ## Write requirements/*.txt (versions and hashes) after a change of pyproject.toml
	@$(BIN)/python -m tools.setup.lock

lint: setup ## ruff, mypy, clang-format, generated files
	@$(BIN)/ruff check $(PYTHON_CODE)
	@$(BIN)/ruff format --check $(PYTHON_CODE)
	@$(BIN)/mypy
	@git ls-files $(C_CODE) | grep -v '/gen/' | xargs $(BIN)/clang-format --dry-run --Werror
	@$(MAKE) --no-print-directory gen-check

format: setup ## Apply ruff and clang-format
	@$(BIN)/ruff format $(PYTHON_CODE)
	@git ls-files $(C_CODE) | grep -v '/gen/' | xargs $(BIN)/clang-format -i

gen: ## Write firmware/core/gen, the library's manifests, and image.md and messages.md of docs/reference, from host/watchword/spec.py
	@PYTHONPATH=host $(PYTHON) -m tools.generate.core
	@PYTHONPATH=host $(PYTHON) -m tools.generate.library

gen-check: ## Fail when a generated file does not match its source
	@PYTHONPATH=host $(PYTHON) -m tools.generate.core --check
	@PYTHONPATH=host $(PYTHON) -m tools.generate.library --check

library: ## The C library as a folder and a zip for Arduino, PlatformIO and ESP-IDF, in build/
	@PYTHONPATH=host $(PYTHON) -m tools.package.library $(LIBRARY)

example: setup ## The C library's example for a PC hears the recording WAV, or MODEL's word said by espeak-ng
	@$(BIN)/python -m tools.run.library_example --model $(MODEL) $(WAV)

micro-wake-word: setup ## PyPI's pymicro-wakeword hears WAV, or the word said by espeak-ng, with MANIFEST, beside our engine
	@$(BIN)/python -m tools.run.micro_wake_word --manifest $(MANIFEST) $(WAV)

# What boards need, without what training does (TensorFlow); the whole set-up, where there is one, has it too.
DEVICE := $(if $(wildcard $(VENV)/installed.stamp),$(CORE_BUILT),$(VENV)/device.stamp)
$(VENV)/device.stamp: pyproject.toml setup.py tools/setup/install_python.sh requirements/device.txt $(CORE_SOURCES)
	@PYTHON="$(PYTHON)" VENV="$(VENV)" PART=device EXTRAS= tools/setup/install_python.sh
	@touch $@

flash: $(DEVICE) ## Build the firmware with MODEL and write it to BOARD at PORT
	@$(BIN)/watchword flash --board $(BOARD) --port $(PORT) --model $(MODEL)

monitor: $(DEVICE) ## Plain-text detections of the board at PORT
	@$(BIN)/watchword monitor --port $(PORT) --model $(MODEL)

doctor: setup ## What is installed and what is missing
	@$(BIN)/watchword doctor

clean: ## Remove build products; keeps data, runs and sessions
	rm -rf .cache/firmware .cache/pio build/cost $(VENV)/core.stamp host/watchword/_core*

# No target is a file, but for those of the virtual environment.
.PHONY: $(shell sed -n 's/^\([a-z-]*\):.*/\1/p' $(firstword $(MAKEFILE_LIST)))
