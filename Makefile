# `make demo` and `make test` are all a newcomer needs; both make .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test test-slow check format docker-lint docker-check cluster-check clean

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade -c constraints.txt pip
	$(BIN)/pip install --quiet -c constraints.txt -e '.[dev,cluster]'
	mkdir -p .types && ln -sfn .. .types/shapegan
	touch $@

demo: $(STAMP)  ## preprocess a few sample chairs, train a toy generator, draw both
	$(BIN)/shapegan samples chairs --count 24 --out demo/meshes
	$(BIN)/shapegan preprocess demo/meshes --out demo/dataset --points 16384
	$(BIN)/shapegan inspect demo/dataset --picture demo/sheet.png
	$(BIN)/shapegan train --data demo/dataset --run demo/run --preset demo --time 3m
	cp "$$(ls demo/run/samples/*.png | tail -n 1)" demo/generated.png
	@echo
	@echo "Look at demo/sheet.png: mesh, 32^3, 64^3 and a slice of the field, a row a chair;"
	@echo "and at demo/generated.png: chairs that a generator made up after three minutes."

check: $(STAMP)  ## format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check  ## everything but the slow tests
	$(BIN)/pytest -m "not slow"

test-slow: $(STAMP)  ## the slow tests alone
	$(BIN)/pytest -m "slow and not cluster"

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docker-lint:  ## hadolint, and the schemas of compose, Kubernetes and Dask's operator
	$(PYTHON) -m venv build/docker-lint
	build/docker-lint/bin/pip install --quiet --no-deps -r docker/lint-requirements.txt
	build/docker-lint/bin/python docker/lint.py

docker-check:  ## build the image and work in it: root, buildah and debootstrap, no engine
	$(PYTHON) docker/check.py

cluster-check: $(STAMP)  ## a SLURM of one node, and three hosts whose network breaks: root
	$(BIN)/pytest -m cluster

clean:
	rm -rf $(VENV) .types demo build dist *.egg-info
