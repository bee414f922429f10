"""The CUDA sources compile: by nvcc for three generations of GPUs, and by NVRTC as at a first use."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from meshanim._check import InputError
from meshanim.ops import _cuda, _nvrtc

OPS = sorted(path.stem for path in _nvrtc.source_folder().glob("*/*.cu"))
TYPES = [
    (op, dtype)
    for op in OPS
    for dtype in _nvrtc.SCALARS
    if dtype == torch.float32 or op not in _nvrtc.IN_DOUBLES
]
KERNELS = {
    "interpolate": "interpolate_shares",
    "mesh_pool": "mesh_pool_gradient",
    "rasterize": "rasterize_gradient",
    "soft_rasterize": "soft_rasterize_64",
    "spiral_conv": "spiral_product_128x16",
    "spiral_decode": "spiral_decode_64x16",
}
CAPABILITIES = (80, 90, 100)


def test_sources_are_found() -> None:
    assert set(KERNELS) == set(OPS)


def test_sources_are_the_same_for_every_generation() -> None:
    sources = [path for suffix in ("cu", "cuh", "h") for path in _nvrtc.source_folder().glob(f"*/*.{suffix}")]
    assert len(sources) > len(OPS)
    assert not [path.name for path in sources if "__CUDA_ARCH" in path.read_text()]


@pytest.mark.parametrize(("op", "dtype"), TYPES, ids=str)
def test_nvcc_compiles_without_a_warning_or_a_spill(op: str, dtype: torch.dtype, tmp_path: Path) -> None:
    nvcc = shutil.which("nvcc") or shutil.which("/usr/local/cuda/bin/nvcc")
    if nvcc is None:
        pytest.skip("nvcc is not installed")
    # The sources ask for no generation: one translation to PTX, which takes longest, serves all three.
    codes = ",".join(f"sm_{number}" for number in CAPABILITIES)
    target = f"-gencode=arch=compute_{CAPABILITIES[0]},code=[{codes}]"
    strict = [
        "-Werror",
        "all-warnings",
        "-Xptxas",
        "-v,--warn-on-spills,--warn-on-local-memory-usage,-Werror",
    ]
    source = _nvrtc.source_folder() / op / f"{op}.cu"
    command = [
        nvcc,
        "-fatbin",
        target,
        *strict,
        *_nvrtc.source_options(dtype),
        *_nvrtc.device_options(op),
        str(source),
        "-o",
        str(tmp_path / "out"),
    ]
    # What is preloaded to watch our own code (make sanitize) ends nvcc.
    plain = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, env=plain)
    assert done.returncode == 0, done.stderr
    for number in CAPABILITIES:
        assert f"for 'sm_{number}'" in done.stderr
    spills = re.findall(r"(\d+) bytes spill stores, (\d+) bytes spill loads", done.stderr)
    assert spills and set(spills) == {("0", "0")}


@pytest.fixture
def nvrtc() -> _nvrtc.Nvrtc:
    try:
        return _nvrtc.library()
    except OSError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(("op", "dtype"), TYPES, ids=str)
def test_nvrtc_compiles_as_at_a_first_use(op: str, dtype: torch.dtype, nvrtc: _nvrtc.Nvrtc) -> None:
    code = _nvrtc.compiled(op, dtype, 90, 13000)
    assert code[:4] == b"\x7fELF" and f"\0{KERNELS[op]}\0".encode() in code


def test_nvrtc_says_what_does_not_compile(nvrtc: _nvrtc.Nvrtc) -> None:
    with pytest.raises(RuntimeError, match=r"wrong\.cu does not compile with NVRTC"):
        nvrtc.compile("this is not CUDA", "wrong.cu", [])


@pytest.mark.parametrize("version", ["12.8", "13.0"])
def test_the_compiler_of_pytorchs_own_cuda_is_tried_first(
    version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("cuda_nvrtc/lib/libnvrtc.so.12", "cu13/lib/libnvrtc.so.13"):
        place = tmp_path / name
        place.parent.mkdir(parents=True)
        for other in ("", "-builtins", ".alt"):
            place.with_name(place.name.replace("nvrtc", f"nvrtc{other}")).touch()
    spec = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr(_nvrtc.importlib.util, "find_spec", lambda name: spec)
    monkeypatch.setattr(torch.version, "cuda", version)
    found = [path.name for path in _nvrtc._candidates() if tmp_path in path.parents]
    assert sorted(found) == ["libnvrtc.so.12", "libnvrtc.so.13"]
    assert found[0].endswith(version.split(".")[0])


class StubCompiler:
    """Counts what it is asked to compile."""

    version = (13, 0)
    capabilities = (80, 90)

    def __init__(self) -> None:
        self.options: list[list[str]] = []

    def compile(self, source: str, name: str, options: list[str]) -> bytes:
        self.options.append(options)
        return f"{name} {options[-1]}".encode()


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> StubCompiler:
    """A compiler without a GPU, sources that may be changed, and a cache of its own."""
    compiler = StubCompiler()
    shutil.copytree(_nvrtc.source_folder(), tmp_path / "kernels")
    monkeypatch.setattr(_nvrtc, "library", lambda: compiler)
    monkeypatch.setattr(_nvrtc, "source_folder", lambda: tmp_path / "kernels")
    monkeypatch.setenv("MESHANIM_CACHE", str(tmp_path / "cache"))
    return compiler


def test_code_is_kept_by_all_that_it_depends_on(stub: StubCompiler, tmp_path: Path) -> None:
    def count(*arguments: object) -> int:
        before = len(stub.options)
        _nvrtc.compiled(*arguments)  # type: ignore[arg-type]
        return len(stub.options) - before

    first = ("spiral_conv", torch.float32, 80, 13000)
    assert (count(*first), count(*first)) == (1, 0)
    assert count("mesh_pool", *first[1:]) == 1
    assert count("spiral_conv", torch.float16, 80, 13000) == 1
    assert count("spiral_conv", torch.float32, 90, 13000) == 1
    assert count("spiral_conv", torch.float32, 80, 13010) == 1
    stub.version = (13, 1)
    assert count(*first) == 1
    with open(tmp_path / "kernels/common/device.cuh", "a") as header:
        header.write("// changed\n")
    assert (count(*first), count(*first)) == (1, 0)


def test_newer_devices_get_code_for_their_driver_to_translate(stub: StubCompiler) -> None:
    assert _nvrtc.compiled("mesh_pool", torch.float32, 120, 13000).endswith(b"compute_90")
    with pytest.raises(OSError, match=r"makes no code for compute capability 7\.5"):
        _nvrtc.compiled("mesh_pool", torch.float32, 75, 13000)


def test_a_cache_that_cannot_be_written_is_done_without(
    stub: StubCompiler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MESHANIM_CACHE", str(tmp_path / "file"))
    assert _nvrtc.compiled("mesh_pool", torch.float32, 80, 13000).endswith(b"sm_80")


class TestChoice:
    @pytest.fixture(autouse=True)
    def _fresh(self, monkeypatch: pytest.MonkeyPatch) -> None:
        _cuda.available.cache_clear()
        monkeypatch.setattr(_cuda, "_capability", lambda device: 90)
        monkeypatch.setattr(_nvrtc, "library", self.missing)
        monkeypatch.delenv("MESHANIM_KERNELS", raising=False)

    @staticmethod
    def missing() -> None:
        raise OSError("NVRTC is missing")

    def test_a_missing_compiler_is_one_warning(self) -> None:
        with pytest.warns(RuntimeWarning, match="the CUDA kernels cannot run .NVRTC is missing.; slower"):
            assert not _cuda.available(97)

    def test_it_is_an_error_where_cuda_was_asked_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MESHANIM_KERNELS", "cuda")
        with pytest.raises(OSError, match="MESHANIM_KERNELS=cuda, but the CUDA kernels cannot run"):
            _cuda.available(97)

    @pytest.mark.parametrize("choice", ["reference", "cpu"])
    def test_other_choices_rule_it_out(self, choice: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MESHANIM_KERNELS", choice)
        assert not _cuda.available(97)

    def test_an_old_device_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(_cuda, "_capability", lambda device: 75)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Old")
        with pytest.warns(RuntimeWarning, match="Old has compute capability 7.5, 8.0 is needed"):
            assert not _cuda.available(97)

    def test_an_unknown_choice_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MESHANIM_KERNELS", "gpu")
        with pytest.raises(InputError, match="MESHANIM_KERNELS must be one of"):
            _cuda.available(97)


def test_cpu_tensors_and_double_precision_are_not_taken() -> None:
    assert not _cuda.takes(torch.zeros(1)) and not _cuda.takes(torch.zeros(1, dtype=torch.float64))
