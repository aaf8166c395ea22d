# Targets for people and CI; see README.md and CONTRIBUTING.md.
PYTHON  ?= python3
WORKERS ?= auto
VENV    := .venv
BIN     := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check -q -c constraints.txt
# One thread per process, because several test processes share the cores.
THREADS := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 RAYON_NUM_THREADS=1 POLARS_MAX_THREADS=1 TOKENIZERS_PARALLELISM=false

.PHONY: help venv demo test slow gpu spaces lowest check lint format types layering sizes docs pages notebooks dist peers speed clean
.DEFAULT_GOAL := help

help:  ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

venv: $(VENV)/.installed  ## make .venv and install the library, the demo data and the test tools (CPU torch)

$(VENV)/.created:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "xcat-rec needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.installed: $(VENV)/.created pyproject.toml constraints.txt
	@echo "installing into $(VENV): a minute or more without output"
	$(INSTALL) -e ".[demo,test]"
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(INSTALL) -e ".[dev]"
	@touch $@

demo: venv  ## train, evaluate, recommend and reload on real retail data
	$(BIN)/xcat demo

# A file's tests run in one process, so that what they share is fitted once; files start in their order.
test: venv  ## run the tests (without those marked slow)
	$(THREADS) $(BIN)/python -m pytest -n $(WORKERS) --maxprocesses 4 --dist loadfile --no-loadscope-reorder

slow: venv peers  ## install Ray, ONNX, wandb, Spark and others, and run their tests and the tests marked slow
	$(INSTALL) -e ".[ray,onnx,serve,notebooks]" "ray[serve]>=2.50" "wandb>=0.28" "trackio>=0.40" pyspark sentence-transformers
	$(THREADS) $(BIN)/python -m pytest tests/serving/test_ray_engine.py tests/tokenization/out_of_core/test_prepare.py -m "not slow"
	$(THREADS) $(BIN)/python -m pytest -m slow

# The environment of make venv has torch for CPUs, so this target uses PYTHON, whose torch must see the GPU.
gpu:  ## on a machine with an NVIDIA GPU: the tests marked gpu, and training speed; PYTHON=a Python with CUDA torch
	$(PYTHON) -c 'import sys, torch; sys.exit(not torch.cuda.is_available() and "this torch sees no GPU: " + torch.__version__)'
	$(THREADS) $(PYTHON) -m pytest -m gpu
	$(PYTHON) benchmarks/training_speed.py $(if $(DATA),"$(DATA)") --device cuda --batch 2048 --steps 200 --warmup 50 --peer-python $(PYTHON) --json

spaces: .cache/venv-spaces/.installed  ## test the web page, a running Space and the emissions, in a separate environment
	$(THREADS) .cache/venv-spaces/bin/python -m pytest tests/serving/test_space.py tests/serving/web tests/model_cards/test_callback.py tests/evaluation/test_modules.py

.cache/venv-spaces/.installed: pyproject.toml constraints.txt
	test -x .cache/venv-spaces/bin/python || $(PYTHON) -m venv .cache/venv-spaces
	.cache/venv-spaces/bin/python -m pip install --disable-pip-version-check -q -c constraints.txt -e ".[space,emissions,test]"
	@touch $@

lowest: .cache/venv-lowest/.installed  ## the tests with the lowest version of each direct dependency, but for torch
	$(THREADS) .cache/venv-lowest/bin/python -m pytest -n $(WORKERS) --maxprocesses 4 --dist loadfile --no-loadscope-reorder

# torch comes from constraints.txt: older wheels bring CUDA.
.cache/venv-lowest/.installed: pyproject.toml constraints.txt
	test -x .cache/venv-lowest/bin/python || $(PYTHON) -m venv .cache/venv-lowest
	.cache/venv-lowest/bin/python -m pip install --disable-pip-version-check -q uv
	grep '^torch==' constraints.txt > .cache/venv-lowest/torch.txt
	.cache/venv-lowest/bin/uv pip install -q --python .cache/venv-lowest/bin/python --resolution lowest-direct --override .cache/venv-lowest/torch.txt -e ".[demo,test]"
	@touch $@

check: lint types layering sizes  ## ruff, mypy, layering, file sizes

lint: $(VENV)/.installed-dev  ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(VENV)/.installed-dev  ## apply ruff's automatic fixes
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(VENV)/.installed-dev  ## mypy --strict over the package
	@mkdir -p .cache/mypy-path && ln -sfn ../.. .cache/mypy-path/xcat_rec
	MYPYPATH=.cache/mypy-path $(BIN)/mypy -p xcat_rec

layering: $(VENV)/.installed-dev  ## a room imports only from lower floors
	$(BIN)/python .ci/layering.py

sizes: $(VENV)/.installed-dev  ## refuse files over 400 and functions over 60 lines in the package
	$(BIN)/python .ci/sizes.py

docs: .cache/venv-docs/.installed  ## build the site with mkdocs-material and zensical, without warnings, into .cache/site
	@mkdir -p .cache/mypy-path && ln -sfn ../.. .cache/mypy-path/xcat_rec
	PYTHONPATH=.cache/mypy-path .cache/venv-docs/bin/python -m xcat_rec.docs.site.build

# The site is built from the sources, so this environment has the builders alone.
.cache/venv-docs/.installed: pyproject.toml constraints.txt
	test -x .cache/venv-docs/bin/python || $(PYTHON) -m venv .cache/venv-docs
	.cache/venv-docs/bin/python -m pip install --disable-pip-version-check -q -c constraints.txt mkdocs-material zensical
	@touch $@

pages: venv  ## write the pages and figures that come from the code: commands, llms.txt, figures
	$(BIN)/python -m xcat_rec.docs.site.commands
	$(BIN)/python -m xcat_rec.docs.site.settings
	$(BIN)/python -m xcat_rec.docs.site.llms
	$(BIN)/python -m xcat_rec.docs.site.figures

notebooks: venv  ## run the notebooks of docs/notebooks again and keep their outputs; NAMES="own_csv deploy" for some
	$(INSTALL) -e ".[serve,notebooks]"
	$(BIN)/python -m xcat_rec.docs.site.notebooks $(NAMES)

dist: $(VENV)/.installed  ## build sdist and wheel twice, compare the wheels, and use one in a new environment
	rm -rf dist .cache/dist && mkdir -p .cache/dist
	$(BIN)/python -m build --outdir dist .
	$(BIN)/python -m build --outdir .cache/dist .
	cmp dist/*.whl .cache/dist/*.whl
	$(PYTHON) -m venv .cache/dist/venv
	.cache/dist/venv/bin/python -m pip install --disable-pip-version-check -q -c constraints.txt dist/*.whl
	cd .cache/dist && venv/bin/python -c "import xcat_rec; print(xcat_rec.__version__, xcat_rec.__file__)" && venv/bin/xcat --version

peers: .venv-peers/.installed  ## make .venv-peers with the libraries of the benchmarks' comparisons

.venv-peers/.installed:
	test -x .venv-peers/bin/python || $(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --disable-pip-version-check -q "rectools[torch]==0.19.0" recbole==1.2.1 torch==2.13.0 "pyarrow<19" h5py polars requests
	.venv-peers/bin/python -m pip install --disable-pip-version-check -q --no-deps deepctr-torch==0.3.0 torch-rechub==0.9.0
	@touch $@

speed: venv peers  ## run the benchmarks of docs/research/speed.md; DATA=FOLDER with items.* and events.* for all
	$(BIN)/python benchmarks/training_speed.py $(if $(DATA),"$(DATA)") --peer-python .venv-peers/bin/python --profile --json
	$(if $(DATA),$(BIN)/python benchmarks/time_to_quality.py "$(DATA)" --peer-python .venv-peers/bin/python --json,@echo "time_to_quality.py: skipped, give DATA=folder with items.* and events.*")
	$(BIN)/python benchmarks/large_catalogue.py --json
	@if $(BIN)/python -c "import matplotlib" 2>/dev/null; then \
	  mkdir -p .cache && $(BIN)/python benchmarks/large_catalogue.py --growth .cache/growth.png --steps 1 --json; \
	else echo "large_catalogue.py --growth: skipped, it draws with matplotlib (pip install matplotlib)"; fi
	$(BIN)/python benchmarks/ranking_speed.py $(if $(DATA),"$(DATA)") --json
	$(BIN)/python benchmarks/two_processes.py --json
	$(BIN)/python benchmarks/click_speed.py --peer-python .venv-peers/bin/python --models DIN,DIEN --json

clean:  ## remove .venv, caches and builds
	rm -rf $(VENV) .cache build dist *.egg-info .ruff_cache .mypy_cache .pytest_cache .hypothesis
