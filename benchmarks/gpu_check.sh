#!/usr/bin/env bash
# The CUDA kernels on a real GPU, in one command and some minutes: builds the CPU kernels that prepare meshes, runs
# the ops' tests on the GPU, and times layers and rasterizers into benchmarks/results/bench_gpu.json.
#
#     benchmarks/gpu_check.sh
#
# It takes the PyTorch of python3, or of the Python that PYTHON names, as it is, and needs cmake and a C++ compiler.
# Small packages that are missing go to build/gpu_check, out of wheels in .whl/ where that folder is there.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}

"$python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' 2>/dev/null || {
	echo "gpu_check.sh needs a CUDA device that the PyTorch of $python can use, and there is none." >&2
	exit 2
}
site=$PWD/build/gpu_check
export PYTHONPATH=$PWD:$site${PYTHONPATH:+:$PYTHONPATH} PYTHONUNBUFFERED=1
missing=$("$python" -c '
from importlib.util import find_spec
needed = ("numpy", "platformdirs", "pytest", "rich", "safetensors", "scipy")
print(*(name for name in needed if find_spec(name) is None))')
if [ -n "$missing" ]; then
	from=$([ ! -d .whl ] || echo --no-index --find-links .whl)
	# shellcheck disable=SC2086 # several words each
	"$python" -m pip install --quiet --no-deps --target "$site" $from $missing
fi
make --no-print-directory kernels >/dev/null

export MESHANIM_CACHE=$site/cache MESHANIM_KERNELS=cuda
"$python" -m pytest -q -p no:cacheprovider -k "(gpu or cuda) and not emulated" \
	tests/ops/test_cuda_{device,interpolate,mesh_pool,plans,rasterize,soft_rasterize,spiral_conv,spiral_decode}.py \
	tests/ops/test_{interpolate,mesh_pool,rasterize,rasterize_crossing,soft_rasterize,spiral_conv,spiral_decode}.py
"$python" benchmarks/bench_gpu.py
