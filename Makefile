# `make demo` and `make test` set up everything that they need in .venv; both work without root.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
DEMO := runs/demo

.PHONY: demo test docs clean

# What the demo needs, and what the tests need besides. Rebuilt only when the dependencies change.
.venv/train: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[train]'
	touch $@

.venv/installed: .venv/train
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: .venv/train
	@echo; echo "== What the bundled model answers to all 20 synthetic voices of data/demo; it was trained on people"
	$(BIN)/python scripts/recognise_demo.py
	@echo; echo "== A small network learns the same words from that corpus"
	rm -rf $(DEMO)
	$(BIN)/speech-lstm train --data data/demo --out $(DEMO) --config scripts/demo.toml
	@echo; echo "== Its accuracy on voices that it was not trained on"
	$(BIN)/speech-lstm evaluate $(DEMO)/best.safetensors --data data/demo --plots $(DEMO)
	@echo; echo "The figures are $(DEMO)/confusion.png and $(DEMO)/curve.png"

test: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

docs: .venv/installed
	rm -rf build/pages && mkdir -p build/pages
	cp -r *.md *.cff LICENSE Dockerfile docs checkpoints build/pages
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet  # the variable: no advertisement
	@echo "The site is build/site/index.html"

clean:
	rm -rf .venv $(DEMO) build
