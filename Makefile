# `make demo` and `make test` are all a newcomer needs; both make .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow coverage check format docs docs-serve docker-lint docker-check cluster-check clean

help:  ## list the targets
	@awk 'BEGIN {FS = ":.*##[ ]*"} /^[a-z-]+:.*##/ {printf "make %-14s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade -c constraints.txt pip
	$(BIN)/pip install --quiet -c constraints.txt -e '.[all,dev,docs]'
	mkdir -p .types && ln -sfn .. .types/shapegan
	touch $@

demo: $(STAMP)  ## preprocess a few sample chairs, train a toy generator, draw both
	$(BIN)/shapegan samples chairs --count 24 --out demo/meshes
	$(BIN)/shapegan preprocess demo/meshes --out demo/dataset --points 16384
	$(BIN)/shapegan inspect demo/dataset --picture demo/dataset.png
	$(BIN)/shapegan train --data demo/dataset --run demo/run --preset demo --time 3m
	$(BIN)/shapegan generate demo/run --count 16 --resolution 64 --out demo/shapes
	cp demo/shapes/shapes.png demo/generated.png
	@echo
	@echo "Look at demo/dataset.png: for each chair its mesh, 32^3 and 64^3 voxels, and a slice of the field;"
	@echo "and at demo/generated.png: chairs of a generator that was trained for three minutes;"
	@echo "demo/shapes has their meshes."

check: $(STAMP) docs  ## check format, lint, types, import contracts and the site's links
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check  ## run the checks and all tests but the slow ones
	$(BIN)/pytest -n logical --maxprocesses 8 --dist loadfile -m "not slow"

test-slow: $(STAMP)  ## run the slow tests, and the property tests with all their examples
	$(BIN)/pytest -n logical --maxprocesses 8 --dist loadfile --hypothesis-profile full -m "hypothesis and not slow"
	$(BIN)/pytest --hypothesis-profile full -m "slow and not cluster"

coverage: $(STAMP)  ## measure which lines the tests run; HTML report in build/coverage
	$(BIN)/pytest -m "not slow" --cov --cov-report=term --cov-report=html $(TESTS)

format: $(STAMP)  ## format the code and apply the linter's fixes
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(STAMP)  ## build the site in build/site; a broken link is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

docs-serve: $(STAMP)  ## serve the site on this machine, and build it again after each edit
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve

docker-lint:  ## check the Dockerfile, compose files and manifests against their schemas
	$(PYTHON) -m venv build/docker-lint
	build/docker-lint/bin/pip install --quiet --no-deps -r docker/lint-requirements.txt
	build/docker-lint/bin/python docker/lint.py

docker-check:  ## build the image and work in it: root, buildah and debootstrap, no engine
	$(PYTHON) docker/check.py

cluster-check: $(STAMP)  ## run the tests with a SLURM of one node, and three hosts whose network breaks: root
	$(BIN)/pytest -m cluster

clean:  ## remove all that make has made
	rm -rf $(VENV) .types demo build dist *.egg-info
