"""The CUDA kernels, their launches and plans against the float64 references; on a CPU, and on a GPU too.

On a CPU every ``.cu`` file is compiled by the host's C++ compiler with ``emulation.h`` for what only a GPU
has, and the ops run on it as they would on a device. What this cannot see: speed, and a GPU that behaves
otherwise than its manual says.
"""

from __future__ import annotations

import ctypes
import itertools
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from meshanim.ops import (
    _cuda,
    _cuda_decode,
    _cuda_ops,
    _cuda_plans,
    _nvrtc,
    mesh_pool,
    mesh_pool_reference,
    spiral_conv,
    spiral_conv_reference,
    spiral_decode,
    spiral_decode_reference,
)

HERE = Path(__file__).parent
DTYPES = list(_nvrtc.SCALARS)
LAUNCH = _cuda.launch

# One rounding of a result in its own type, relative to the largest; sums are in single precision.
ROUNDING = {torch.float32: 2e-6, torch.float16: 2**-11, torch.bfloat16: 2**-8}
# Gradients of 16-bit types round the slope of the activation and sums of rows on the way: a few roundings.
GRADIENT_FACTOR = 4
# The slope of ELU is y + 1 of a rounded y, which cancels next to -1.
ELU_FACTOR = 4
# Decoding rounds up-sampled rows, too, before their products are summed.
DECODE_FACTOR = 2

SIZES = [  # (batch, vertices, length, in, out): the paper's widths, odd ones, single ones, none
    (1, 140, 9, 64, 32),
    (2, 201, 9, 32, 16),
    (2, 130, 27, 16, 8),
    (2, 317, 9, 8, 3),
    (2, 65, 5, 3, 16),
    (1, 77, 4, 7, 5),
    (1, 64, 3, 33, 33),
    (2, 20, 3, 72, 70),
    (2, 40, 6, 1, 7),
    (2, 40, 1, 5, 1),
    (1, 1, 1, 1, 1),
    (300, 1, 4, 16, 64),
    (0, 20, 4, 3, 5),
    (2, 20, 0, 3, 5),
]

POOL_SIZES = [  # (batch, coarse, fine, width, channels)
    (2, 46, 228, 3, 64),
    (3, 50, 201, 3, 8),
    (2, 30, 70, 3, 3),
    (2, 30, 10, 1, 7),
    (1, 5, 9, 4, 33),
    (1, 3, 4, 2, 2100),
    (1, 1, 1, 1, 1),
    (0, 5, 9, 3, 4),
    (2, 5, 0, 3, 4),
]


DECODE_SIZES = [  # (batch, coarse, fine, corners, length, in, out)
    (1, 20, 90, 3, 9, 64, 32),
    (9, 20, 80, 3, 9, 32, 16),
    (2, 30, 130, 3, 27, 16, 8),
    (3, 60, 317, 3, 9, 8, 3),
    (2, 20, 65, 4, 5, 3, 16),
    (1, 9, 77, 2, 4, 7, 5),
    (1, 20, 64, 1, 3, 33, 33),
    (2, 5, 20, 3, 3, 72, 70),
    (17, 3, 40, 3, 6, 1, 7),
    (2, 40, 11, 3, 1, 5, 1),
    (1, 9, 20, 3, 64, 5, 3),
    (1, 9, 20, 3, 65, 5, 3),
    (1, 1, 1, 1, 1, 1, 1),
    (0, 5, 20, 3, 4, 3, 5),
    (2, 5, 0, 3, 4, 3, 5),
    (2, 5, 20, 3, 0, 3, 5),
]


class Gpu:
    """Launches kernels where they belong, and notes which."""

    def __init__(self) -> None:
        self.backwards = False
        self.launched: set[tuple[str, str]] = set()

    def launch(self, op: str, kernel: str, *others: Any) -> None:
        LAUNCH(op, kernel, *others)
        self.launched.add((op, kernel))


class Emulator:
    """Launches kernels on a CPU; compiles their sources at the first use of each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._libraries: dict[tuple[str, torch.dtype], ctypes.CDLL] = {}
        self.backwards = False
        self.launched: set[tuple[str, str]] = set()

    def launch(
        self,
        op: str,
        kernel: str,
        like: Tensor,
        grid: _cuda.Grid,
        threads: int,
        parameters: ctypes.Structure,
    ) -> None:
        if 0 in grid:
            return
        assert max(grid[1:]) < 2**16 and grid[0] < 2**31, "a GPU takes no larger grid"
        function = getattr(self._library(op, like.dtype), kernel)
        function.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_uint, ctypes.c_bool]
        size = ctypes.sizeof(parameters)
        function(ctypes.addressof(parameters), size, (ctypes.c_uint * 3)(*grid), threads, self.backwards)
        self.launched.add((op, kernel))

    def _library(self, op: str, dtype: torch.dtype) -> ctypes.CDLL:
        if (op, dtype) not in self._libraries:
            compiler = shutil.which("c++") or shutil.which("g++")
            if compiler is None:
                pytest.skip("there is no C++ compiler to run the CUDA sources on a CPU with")
            source = _nvrtc.source_folder() / op / f"{op}.cu"
            target = self._folder / f"{op}-{str(dtype).removeprefix('torch.')}.so"
            options = [*_nvrtc.source_options(dtype), f"-I{HERE}", "-DMESHANIM_EMULATED", "-O1", "-w"]
            command = [compiler, "-x", "c++", *options, "-shared", "-fPIC", "-o", str(target), str(source)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=300)
            assert done.returncode == 0, done.stderr
            self._libraries[op, dtype] = ctypes.CDLL(str(target))
        return self._libraries[op, dtype]


@pytest.fixture(scope="module")
def module_emulator(tmp_path_factory: pytest.TempPathFactory) -> Emulator:
    return Emulator(tmp_path_factory.mktemp("emulated"))


def _emulated(emulator: Emulator, patch: pytest.MonkeyPatch) -> Emulator:
    """The ops take CPU tensors to the CUDA kernels, and these run on the CPU."""
    patch.setattr(_cuda, "takes", lambda x: x.dtype in DTYPES)
    return emulator


ON_GPU = pytest.param("gpu", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"))


@pytest.fixture(params=["emulated", ON_GPU])
def machine(
    request: pytest.FixtureRequest, module_emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Emulator | Gpu]:
    """What runs the kernels; tensors of the test are made on it."""
    emulated = request.param == "emulated"
    found = _emulated(module_emulator, monkeypatch) if emulated else Gpu()
    found.backwards = False
    found.launched.clear()
    monkeypatch.setattr(_cuda, "launch", found.launch)
    torch.set_default_device("cpu" if emulated else "cuda")
    yield found
    torch.set_default_device("cpu")


@pytest.fixture
def emulator(module_emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Emulator:
    """The CPU as the machine, for what only concerns sources and plans."""
    module_emulator.backwards = False
    module_emulator.launched.clear()
    monkeypatch.setattr(_cuda, "launch", module_emulator.launch)
    return _emulated(module_emulator, monkeypatch)


def _here(tensor: Tensor) -> Tensor:
    return tensor.to(torch.get_default_device())


def _values(dtype: torch.dtype, *shapes: tuple[int, ...]) -> list[Tensor]:
    """Leaves amid NaN, so that a read from beside them shows."""
    generator = torch.Generator().manual_seed(0)
    values = (torch.randn(shape, generator=generator, device="cpu") for shape in shapes)
    return [_amid_nan(value.to(dtype), 16) for value in values]


def _amid_nan(tensor: Tensor, before: int) -> Tensor:
    buffer = torch.full((before + tensor.numel() + 16,), torch.nan, dtype=tensor.dtype)
    inner = buffer[before : before + tensor.numel()].view(tensor.shape)
    return inner.copy_(tensor).requires_grad_()


def _spiral_inputs(sizes: tuple[int, ...], dtype: torch.dtype) -> tuple[list[Tensor], Tensor]:
    batch, vertices, length, channels, outputs = sizes
    generator = torch.Generator().manual_seed(1)
    spirals = torch.randint(-1, vertices, (vertices, length), generator=generator, device="cpu")
    shapes = ((batch, vertices, channels), (outputs, length * channels), (outputs,))
    return _values(dtype, *shapes), _here(spirals)


def _decode_inputs(
    sizes: tuple[int, ...], dtype: torch.dtype
) -> tuple[list[Tensor], tuple[Tensor, Tensor, Tensor]]:
    """Leaves; and indices, weights and spirals, where half of the spirals stay among neighbours."""
    batch, coarse, fine, corners, length, channels, outputs = sizes
    generator = torch.Generator().manual_seed(1)
    indices = torch.randint(0, coarse, (fine, corners), generator=generator, device="cpu")
    up_weights = torch.rand((fine, corners), generator=generator, device="cpu")
    up_weights /= up_weights.sum(1, keepdim=True)
    spirals = torch.randint(-1, fine, (fine, length), generator=generator, device="cpu")
    neighbours = torch.arange(fine // 2, device="cpu").unsqueeze(1) + torch.arange(length, device="cpu")
    spirals[: fine // 2] = neighbours
    spirals[spirals >= fine] = -1
    shapes = ((batch, coarse, channels), (outputs, length * channels), (outputs,))
    return _values(dtype, *shapes), (_here(indices), _here(up_weights.to(dtype)), _here(spirals))


def _decode_results(
    leaves: list[Tensor], mesh: tuple[Tensor, Tensor, Tensor], activation: str | None
) -> list[Tensor]:
    return _results(lambda x, weight, bias: spiral_decode(x, *mesh, weight, bias, activation), leaves)


def _results(call: Callable[..., Tensor], leaves: list[Tensor]) -> list[Tensor]:
    """What a call gives, and the gradients of its arguments in a fixed direction."""
    result = call(*leaves)
    return [result.detach(), *torch.autograd.grad(result, leaves, _direction(result, leaves[0].dtype))]


def _direction(result: Tensor, dtype: torch.dtype) -> Tensor:
    values = torch.randn(result.shape, generator=torch.Generator().manual_seed(2), device="cpu")
    return _here(values.to(dtype).to(result.dtype))


def _check_close(found: list[Tensor], wanted: list[Tensor], factor: int = 1, values_factor: int = 1) -> None:
    for i, (value, exact) in enumerate(zip(found, wanted, strict=True)):
        assert value.shape == exact.shape
        if exact.numel():
            error = (value.double() - exact).abs().max() / exact.abs().max().clamp(min=1e-30)
            assert error <= ROUNDING[value.dtype] * (GRADIENT_FACTOR * factor if i else values_factor)


def _same_bits(a: list[Tensor], b: list[Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("activation", [None, "relu", "elu"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_spiral_convolution_is_the_references(
    sizes: tuple[int, ...], dtype: torch.dtype, activation: str | None, machine: Emulator | Gpu
) -> None:
    leaves, spirals = _spiral_inputs(sizes, dtype)
    found = _results(lambda x, weight, bias: spiral_conv(x, spirals, weight, bias, activation), leaves)
    doubles = [leaf.detach().double().requires_grad_() for leaf in leaves]
    reference = _results(
        lambda x, weight, bias: spiral_conv_reference(x, spirals, weight, bias, activation), doubles
    )
    _check_close(found, reference, ELU_FACTOR if activation == "elu" else 1)
    assert all(value.dtype == dtype for value in found) and machine.launched


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("sizes", POOL_SIZES, ids=str)
def test_pooling_is_the_references(
    sizes: tuple[int, ...], dtype: torch.dtype, machine: Emulator | Gpu
) -> None:
    batch, coarse, fine, width, channels = sizes
    leaves = _values(dtype, (batch, coarse, channels), (fine, width))
    generator = torch.Generator().manual_seed(1)
    indices = _here(torch.randint(0, coarse, (fine, width), generator=generator, device="cpu"))
    found = _results(lambda x, weights: mesh_pool(x, indices, weights), leaves)
    doubles = [leaf.detach().double().requires_grad_() for leaf in leaves]
    _check_close(found, _results(lambda x, weights: mesh_pool_reference(x, indices, weights), doubles))
    assert all(value.dtype == dtype for value in found)
    shifted = [_amid_nan(leaf.detach(), 15) for leaf in leaves]  # no loads of 16 bytes there
    assert _same_bits(_results(lambda x, weights: mesh_pool(x, indices, weights), shifted)[:2], found[:2])


@pytest.mark.parametrize("activation", [None, "relu", "elu"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("sizes", DECODE_SIZES, ids=str)
def test_decoding_is_the_references(
    sizes: tuple[int, ...], dtype: torch.dtype, activation: str | None, machine: Emulator | Gpu
) -> None:
    leaves, mesh = _decode_inputs(sizes, dtype)
    found = _decode_results(leaves, mesh, activation)
    indices, up_weights, spirals = mesh
    x, weight, bias = (leaf.detach().double().requires_grad_() for leaf in leaves)
    exact = spiral_decode_reference(x, indices, up_weights.double(), spirals, weight, bias)
    y, out = (exact if activation is None else getattr(functional, activation)(exact)), found[0].double()
    # Of the slope where rounding up-sampled rows moved a result across zero, as the rounded result has it.
    slope = {"relu": (out > 0).double(), "elu": out.clamp(max=0) + 1}.get(activation or "", torch.ones(()))
    gradients = torch.autograd.grad(exact, (x, weight, bias), _direction(out, dtype).double() * slope)
    _check_close(found, [y, *gradients], values_factor=DECODE_FACTOR)
    assert all(value.dtype == dtype for value in found)
    fused = spirals.shape[1] <= _cuda_decode.LONGEST
    assert not found[0].numel() or ("spiral_decode" in {op for op, _ in machine.launched}) == fused


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("sizes", [size for size in DECODE_SIZES if size[0] and size[4] < 60], ids=str)
def test_patches_alignment_order_and_company_do_not_matter_to_decoding(
    sizes: tuple[int, ...], dtype: torch.dtype, machine: Emulator | Gpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaves, mesh = _decode_inputs(sizes, dtype)
    small = _decode_results(leaves, mesh, "elu")
    machine.backwards = True
    assert _same_bits(_decode_results(leaves, mesh, "elu"), small), "a barrier is missing"
    shifted = [_amid_nan(leaf.detach(), 15) for leaf in leaves]
    assert _same_bits(_decode_results(shifted, mesh, "elu"), small)
    alone = spiral_decode(leaves[0][:1], *mesh, leaves[1], leaves[2], "elu")
    assert torch.equal(alone, small[0][:1])
    monkeypatch.setattr(_cuda_ops, "FEW_BLOCKS", 0)
    assert _same_bits(_decode_results(leaves, mesh, "elu"), small)


@pytest.mark.parametrize("needs", [(True, False, False), (False, True, False), (False, False, True)], ids=str)
def test_only_wanted_gradients_of_decoding_are_made(needs: tuple[bool, ...], machine: Emulator | Gpu) -> None:
    leaves, mesh = _decode_inputs((2, 9, 30, 3, 4, 6, 5), torch.float32)
    wanted = _decode_results(leaves, mesh, "relu")
    leaves = [leaf.detach().requires_grad_(need) for leaf, need in zip(leaves, needs, strict=True)]
    y = spiral_decode(leaves[0], *mesh, leaves[1], leaves[2], "relu")
    y.backward(_direction(y, y.dtype))
    assert [leaf.grad is not None for leaf in leaves] == list(needs)
    for leaf, gradient in zip(leaves, wanted[1:], strict=True):
        assert leaf.grad is None or torch.equal(leaf.grad, gradient)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("sizes", [size for size in SIZES if size[0] and size[3] < 70], ids=str)
def test_tiles_alignment_and_order_of_threads_do_not_matter(
    sizes: tuple[int, ...], dtype: torch.dtype, machine: Emulator | Gpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaves, spirals = _spiral_inputs(sizes, dtype)

    def run(leaves: list[Tensor]) -> list[Tensor]:
        return _results(lambda x, weight, bias: spiral_conv(x, spirals, weight, bias, "elu"), leaves)

    small = run(leaves)
    machine.backwards = True
    assert _same_bits(run(leaves), small), "a barrier is missing"
    assert _same_bits(run([_amid_nan(leaf.detach(), 15) for leaf in leaves]), small)
    monkeypatch.setattr(_cuda_ops, "FEW_BLOCKS", 0)
    assert _same_bits(run(leaves), small)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_kernel_is_launched_by_some_size(
    dtype: torch.dtype, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    for few in (0, 256):
        monkeypatch.setattr(_cuda_ops, "FEW_BLOCKS", few)
        for width in (3, 8, 16, 32, 64):
            (x, weight, bias), spirals = _spiral_inputs((1, 2, 2, width, width), dtype)
            spiral_conv(x, spirals, weight, bias, "relu").sum().backward()
            pooling = (spirals.clamp(min=0), torch.ones(2, 2, dtype=dtype))
            mesh_pool(x, *pooling).sum().backward()
            spiral_decode(x, *pooling, spirals, weight, bias)
    for op in {op for op, _ in emulator.launched}:
        library = emulator._library(op, dtype)
        symbols = Path(library._name).read_bytes()
        names = set(re.findall(rb"\0((?:spiral|mesh)_[a-z_]+(?:_\d+(?:x\d+)?)?)(?=\0)", symbols))
        kernels = {name.decode() for name in names if hasattr(library, name.decode())}
        assert kernels == {kernel for known, kernel in emulator.launched if known == op}


@pytest.mark.parametrize("needs", [(True, False, False), (False, True, False), (False, False, True)], ids=str)
def test_only_wanted_gradients_are_made(needs: tuple[bool, ...], machine: Emulator | Gpu) -> None:
    leaves, spirals = _spiral_inputs((2, 30, 4, 6, 5), torch.float32)
    wanted = _results(lambda x, weight, bias: spiral_conv(x, spirals, weight, bias, "relu"), leaves)
    leaves = [leaf.detach().requires_grad_(need) for leaf, need in zip(leaves, needs, strict=True)]
    y = spiral_conv(leaves[0], spirals, leaves[1], leaves[2], "relu")
    y.backward(_direction(y, y.dtype))
    assert [leaf.grad is not None for leaf in leaves] == list(needs)
    for leaf, gradient in zip(leaves, wanted[1:], strict=True):
        assert leaf.grad is None or torch.equal(leaf.grad, gradient)


def test_rounding_of_decoding_does_not_grow_with_the_mesh(machine: Emulator | Gpu) -> None:
    leaves, mesh = _decode_inputs((1, 5687, 28431, 3, 9, 8, 3), torch.float32)
    indices, up_weights, spirals = mesh
    doubles = [leaf.detach().double().requires_grad_() for leaf in leaves]
    exact = _results(
        lambda x, w, b: spiral_decode_reference(x, indices, up_weights.double(), spirals, w, b), doubles
    )
    _check_close(_decode_results(leaves, mesh, None), exact)


def test_rounding_does_not_grow_with_the_mesh(machine: Emulator | Gpu) -> None:
    leaves, spirals = _spiral_inputs((1, 28431, 9, 8, 3), torch.float32)
    found = _results(lambda x, weight, bias: spiral_conv(x, spirals, weight, bias), leaves)
    doubles = [leaf.detach().double().requires_grad_() for leaf in leaves]
    _check_close(found, _results(lambda x, w, b: spiral_conv_reference(x, spirals, w, b), doubles))


def test_inverse_slots_name_everyone_who_has_a_vertex_at_a_place() -> None:
    spirals = torch.randint(-1, 40, (40, 6), generator=torch.Generator().manual_seed(0))
    slots, starts, members = _cuda_plans.SpiralSlots(spirals).inverse
    kinds = set()
    for place in range(6):
        for vertex in range(40):
            owners = [v for v in range(40) if spirals[v, place] == vertex]
            entry, slot = place * 40 + vertex, int(slots[place, vertex])
            assert members[starts[entry] : starts[entry + 1]].tolist() == owners
            wanted = (-1, owners[0] if owners else -1, -2)[min(len(owners), 2)]
            assert slot == wanted
            kinds.add(min(slot, 0))
    assert kinds == {-2, -1, 0}


@pytest.mark.parametrize(("size", "rows"), [*_cuda_decode.PATCH_ROWS.items(), (5, 7)])
def test_patches_hold_every_vertex_once_and_all_that_it_reads(size: int, rows: int) -> None:
    _, (*_, spirals) = _decode_inputs((1, 60, 300, 3, 7, 1, 1), torch.float32)
    patches = _cuda_plans.SpiralSlots(spirals).patches(size, rows)
    assert patches.vertices.shape[1] == size and patches.rows.shape[1] == rows
    made = []
    for vertices, read, slots in zip(patches.vertices, patches.rows, patches.slots, strict=True):
        read = torch.cat((read, torch.tensor([-1])))
        for i, vertex in enumerate(vertices.tolist()):
            wanted = spirals[vertex] if vertex >= 0 else torch.full((7,), -1)
            assert torch.equal(read[slots[:, i].long()].long(), wanted)
            made.append(vertex)
    assert sorted(v for v in made if v >= 0) == list(range(300))


def test_patches_are_of_neighbours() -> None:
    across = torch.arange(900).view(30, 30)
    around = [torch.roll(across, (i, j), (0, 1)).flatten() for i in (-1, 0, 1) for j in (-1, 0, 1)]
    numbers = torch.randperm(900, generator=torch.Generator().manual_seed(0))
    spirals = torch.empty((900, 9), dtype=torch.int64)
    spirals[numbers] = numbers[torch.stack(around, 1)]
    patches = _cuda_plans.SpiralSlots(spirals).patches(64, 128)
    # A square of 8 x 8 vertices reads 10 x 10; the last patches are what the others left.
    assert (patches.rows >= 0).sum(1).float().mean() < 1.25 * 100


def test_inverse_lists_name_all_who_read_a_coarse_vertex_at_a_place() -> None:
    _, (indices, _, spirals) = _decode_inputs((1, 9, 20, 3, 4, 1, 1), torch.float32)
    plan, pool = _cuda_plans.SpiralSlots(spirals), _cuda_plans.pool_lists(indices, 9)
    starts, entries, sources = plan.inverse_through(pool)
    assert plan.inverse_through(pool)[0] is starts
    for u, place in itertools.product(range(9), range(4)):
        mine = slice(*starts[u * 4 + place : u * 4 + place + 2].tolist())
        wanted = [
            (v, 3 * f + k)
            for v, f in enumerate(spirals[:, place].tolist())
            for k in range(3)
            if f >= 0 and indices[f, k] == u
        ]
        assert list(zip(sources[mine].tolist(), entries[mine].tolist(), strict=True)) == wanted


def test_plans_lie_with_their_indices_whatever_the_default_device_is() -> None:
    _, (indices, _, spirals) = _decode_inputs((1, 9, 20, 3, 4, 1, 1), torch.float32)
    with torch.device("meta"):
        plan, pool = _cuda_plans.SpiralSlots(spirals), _cuda_plans.PoolLists(indices, 9, "indices")
        patches = plan.patches(16, 64)
        made = [patches.vertices, patches.rows, patches.slots]
        made += [*plan.inverse, *pool.inverse, *plan.inverse_through(pool)]
    assert {tensor.device.type for tensor in made} == {"cpu"}


def test_plans_are_made_before_a_capture(monkeypatch: pytest.MonkeyPatch) -> None:
    spirals, indices = torch.zeros((4, 3), dtype=torch.int64), torch.zeros((4, 3), dtype=torch.int64)
    plan = _cuda_plans.spiral_slots(spirals)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
    assert _cuda_plans.spiral_slots(spirals) is plan
    with pytest.raises(RuntimeError, match="indices are checked at the first call: call the op once before"):
        _cuda_plans.pool_lists(indices, 4)
    with pytest.raises(RuntimeError, match="the inverse of the spirals is made at the first call"):
        _ = plan.inverse
    with pytest.raises(RuntimeError, match="spirals are cut into patches at the first call"):
        plan.patches(16, 64)
