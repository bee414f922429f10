"""Rasterization of the ICT face beside ray casters: forward, backward, batches, soft, over size and faces.

Beside ours, the first hits of Mitsuba 3 (``llvm_ad_rgb``: ``scene.ray_intersect_preliminary`` of one ray
through each pixel's middle, rays made beforehand, its compiled code cached) and of Embree through trimesh and
embreex (``intersects_first``). 512 x 512 pixels, one face of 52,220 triangles, two threads (Embree is called
from one). All sides are timed in turns in one process, in another order each turn, after warm-up calls;
malloc's thresholds are raised for all alike, since otherwise large results go back to the system at every
call; the default is beside it.
Forward begins at the vertices, projection included, and gives face, barycentric weights and depth; backward
goes from gradients of both to the vertices. The soft side keeps 8 faces within 2 pixels, and blends colours.

Before any timing, the faces that both see are compared with ours, and Mitsuba's depths as well: a ray caster
that misses is quick. PyTorch3D's CPU rasterizer, which needs a CUDA build of PyTorch, is quoted from a
published measurement of the same face.

Mitsuba needs an LLVM library (apt-get install libllvm15). Packages: pip install 'meshanim[benchmarks]'.

    python benchmarks/bench_rasterize.py
"""

from __future__ import annotations

import functools
import os
import random
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import trimesh
from processes import KEPT_MEMORY, in_new_process
from report import table, take_no_arguments, write_results
from torch import Tensor

from meshanim.mesh import Mesh, decimate
from meshanim.ops import kernels_in_use
from meshanim.rendering import Camera, framing_camera, rasterize, soft_blend, soft_rasterize

ICT = Path(__file__).parents[2] / "shared/data/ict_facekit/ict_facekit_light.npz"
THREADS, WARM_UP, ROUNDS = 2, 10, 21
SIZE, BATCH = (512, 512), 16
PUBLISHED = {"forward": 28.5, "backward": 2.5, "soft": 46.0}
"""Seconds of PyTorch3D's CPU rasterizer; soft with 8 faces a pixel."""
Calls = Mapping[str, Callable[[], Any]]


def face() -> Mesh:
    with np.load(ICT) as data:
        return Mesh(torch.from_numpy(data["mean"] / 100), torch.from_numpy(data["faces"].astype(np.int64)))


def rays(camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """Origins and directions (H W, 3) through the middles of all pixels, row by row."""
    height, width = camera.size
    row, column = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    pixels = torch.stack([column, row], dim=-1).reshape(-1, 2) + 0.5
    direction = camera.unproject(pixels, torch.ones(len(pixels))) - camera.position
    return camera.position.expand_as(direction).numpy().copy(), direction.numpy()


def embree(mesh: Mesh, camera: Camera) -> Callable[[], np.ndarray]:
    from trimesh.ray.ray_pyembree import RayMeshIntersector

    plain = trimesh.Trimesh(mesh.vertices.numpy(), mesh.faces.numpy(), process=False)
    origins, directions = rays(camera)
    return functools.partial(RayMeshIntersector(plain).intersects_first, origins, directions)


def mitsuba(mesh: Mesh, camera: Camera) -> Callable[[], Any]:
    import drjit
    import mitsuba as mi

    mi.set_variant("llvm_ad_rgb")
    drjit.set_thread_count(THREADS)
    shape = mi.Mesh("face", len(mesh.vertices), len(mesh.faces))
    parameters = mi.traverse(shape)
    parameters["vertex_positions"] = mesh.vertices.numpy().ravel()
    parameters["faces"] = mesh.faces.numpy().astype(np.uint32).ravel()
    parameters.update()
    scene = mi.load_dict({"type": "scene", "face": shape})
    origins, directions = (mi.Point3f(np.ascontiguousarray(part.T)) for part in rays(camera))
    drjit.eval(origins, directions)
    drjit.sync_thread()

    def hit() -> Any:
        found = scene.ray_intersect_preliminary(mi.Ray3f(origins, mi.Vector3f(directions)))
        drjit.eval(found)
        drjit.sync_thread()
        return found

    return hit


def forward(vertices: Tensor, faces: Tensor, camera: Camera) -> None:
    with torch.no_grad():
        rasterize(vertices, faces, camera)


def both_ways(leaf: Tensor, faces: Tensor, camera: Camera, grads: tuple[Tensor, Tensor]) -> None:
    seen = rasterize(leaf, faces, camera)
    torch.autograd.grad((seen.barycentric, seen.depth), leaf, grads)


def soft_both_ways(leaf: Tensor, faces: Tensor, camera: Camera, colours: Tensor, grad: Tensor) -> None:
    image = soft_blend(soft_rasterize(leaf, faces, camera), colours, torch.zeros(3))
    torch.autograd.grad(image, leaf, grad)


def in_turns(calls: Calls, rounds: int = ROUNDS) -> dict[str, dict[str, float]]:
    """Milliseconds of each call: median, fastest and slowest tenth.

    In another order each turn, since the caches are as the call before leaves them.
    """
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    order = random.Random(0)
    for turn in range(WARM_UP + rounds):
        for name in order.sample(list(calls), len(calls)):
            start = time.perf_counter()
            calls[name]()
            if turn >= WARM_UP:
                seconds[name].append(1e3 * (time.perf_counter() - start))
    return {
        name: {
            "median": statistics.median(taken),
            "fastest_tenth": float(np.quantile(taken, 0.1)),
            "slowest_tenth": float(np.quantile(taken, 0.9)),
        }
        for name, taken in seconds.items()
    }


def sides(mesh: Mesh, size: tuple[int, int]) -> dict[str, Callable[[], Any]]:
    camera = framing_camera(mesh.vertices, size)
    return {
        "meshanim": functools.partial(forward, mesh.vertices, mesh.faces, camera),
        "Mitsuba": mitsuba(mesh, camera),
        "Embree": embree(mesh, camera),
    }


def agreement(mesh: Mesh) -> dict[str, float]:
    """Shares of pixels on which others see the same face as ours, or none, and the largest error of a depth.

    Edges within rounding of a pixel's middle may go either way: fewer than one pixel in 500 may differ.
    """
    camera = framing_camera(mesh.vertices, SIZE)
    ours = rasterize(mesh.vertices, mesh.faces, camera)
    face, hit = ours.face.flatten().numpy(), mitsuba(mesh, camera)()
    reach = np.array(hit.t)  # rays go one metre into the picture per unit, so that this is depth
    theirs = np.where(np.isfinite(reach), np.array(hit.prim_index).astype(np.int64), -1)
    same = (face == theirs) & (face >= 0)
    found = {
        "Mitsuba, same face": float((face == theirs).mean()),
        "Embree, same face": float((face == embree(mesh, camera)()).mean()),
        "Mitsuba, largest error of depth in m": float(
            np.abs(ours.depth.flatten().numpy() - reach)[same].max()
        ),
    }
    print(found)
    if min(list(found.values())[:2]) < 0.998 or found["Mitsuba, largest error of depth in m"] > 1e-4:
        raise RuntimeError("the ray casters do not see what ours does: their timings would mean nothing")
    return found


def main_table() -> dict[str, Any]:
    """All sides in turns; runs in a process of its own."""
    torch.set_num_threads(THREADS)
    mesh = face()
    camera = framing_camera(mesh.vertices, SIZE)
    generator = torch.Generator().manual_seed(0)
    grads = torch.randn(*SIZE, 3, generator=generator), torch.randn(*SIZE, generator=generator)
    colours, grad = torch.rand(len(mesh.vertices), 3), torch.randn(*SIZE, 4, generator=generator)
    leaf = mesh.vertices.clone().requires_grad_()
    many = mesh.vertices.expand(BATCH, -1, -1).contiguous()
    agreed = agreement(mesh)
    calls = sides(mesh, SIZE)
    calls["forward + backward"] = functools.partial(both_ways, leaf, mesh.faces, camera, grads)
    calls[f"batch of {BATCH}"] = functools.partial(forward, many, mesh.faces, camera)
    calls["soft, both ways"] = functools.partial(soft_both_ways, leaf, mesh.faces, camera, colours, grad)
    return {"rows": in_turns(calls), "agreement": agreed}


def over_sizes() -> dict[str, Any]:
    """Forward over picture size, and over the number of faces at 512 x 512."""
    torch.set_num_threads(THREADS)
    mesh = face()
    by_size = {str(size): in_turns(sides(mesh, (size, size)), 5) for size in (256, 512, 1024)}
    skin = max(
        trimesh.Trimesh(mesh.vertices.numpy(), mesh.faces.numpy(), process=False).split(
            only_watertight=False
        ),
        key=lambda piece: len(piece.faces),
    )
    whole = Mesh(torch.tensor(skin.vertices).float(), torch.tensor(np.asarray(skin.faces)).long())
    fine = skin.subdivide()
    meshes = [decimate(whole, count).mesh for count in (500, 2000)] + [whole]
    meshes.append(Mesh(torch.tensor(fine.vertices).float(), torch.tensor(np.asarray(fine.faces)).long()))
    by_faces = {str(len(other.faces)): in_turns(sides(other, SIZE), 5) for other in meshes}
    return {"by_size": by_size, "by_faces": by_faces}


def bars(rows: Mapping[str, Mapping[str, float]]) -> list[dict[str, Any]]:
    """What must hold, and what was found."""
    ms = {name: row["median"] for name, row in rows.items()}
    hard, both, soft = ms["meshanim"], ms["forward + backward"], ms["soft, both ways"]
    published = {name: 1e3 * seconds for name, seconds in PUBLISHED.items()}
    found = [
        ("forward / Mitsuba", hard / ms["Mitsuba"], 1.0),
        ("forward / Embree", hard / ms["Embree"], 0.5),
        ("forward / PyTorch3D's published", hard / published["forward"], 1 / 1000),
        ("forward + backward / forward", both / hard, 4.0),
        (f"image of a batch of {BATCH} / one", ms[f"batch of {BATCH}"] / BATCH / hard, 1.1),
        ("soft both ways / hard both ways", soft / both, 15.0),
        ("soft both ways / PyTorch3D's published", soft / published["soft"], 1 / 300),
    ]
    return [{"what": what, "found": value, "at_most": bar} for what, value, bar in found]


def show(title: str, rows: Mapping[str, Mapping[str, float]]) -> None:
    header = ["", "median ms", "fastest tenth", "slowest tenth"]
    cells = [
        [name, *(f"{row[key]:.2f}" for key in ("median", "fastest_tenth", "slowest_tenth"))]
        for name, row in rows.items()
    ]
    table(title, header, cells)


def main() -> None:
    torch.set_num_threads(THREADS)
    load = os.getloadavg()[0]
    raised, costs = (in_new_process(measure, environment=KEPT_MEMORY) for measure in (main_table, over_sizes))
    default = in_new_process(main_table)
    for malloc, measured in (("raised", raised), ("default", default)):
        show(f"512 x 512, ICT face, malloc's thresholds {malloc}", measured["rows"])
    held = bars(raised["rows"])
    table(
        "What must hold (thresholds raised)",
        ["", "found", "at most"],
        [[bar["what"], f"{bar['found']:.4g}", f"{bar['at_most']:.4g}"] for bar in held],
    )
    for what, name in (("pixels along each side", "by_size"), ("faces", "by_faces")):
        header = [what, *("meshanim", "Mitsuba", "Embree")]
        cells = [
            [key, *(f"{row[side]['median']:.2f}" for side in header[1:])] for key, row in costs[name].items()
        ]
        table("Forward, ms", header, cells)
    settings = {
        "size": SIZE,
        "batch": BATCH,
        "warm_up": WARM_UP,
        "rounds": ROUNDS,
        "malloc_raised": KEPT_MEMORY,
    }
    settings |= {"kernels": kernels_in_use(), "soft": {"radius": 2.0, "faces_per_pixel": 8}}
    settings |= {"load_average_before": load}  # others' work on the machine shows in every figure
    content = {
        "settings": settings,
        "raised": raised,
        "default": default,
        "costs": costs,
        "bars": held,
        "published_seconds": {"PyTorch3D on a CPU": PUBLISHED},
    }
    print(f"written: {write_results('bench_rasterize', content)}")


if __name__ == "__main__":
    take_no_arguments(__doc__)
    main()
