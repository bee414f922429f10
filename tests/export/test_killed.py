"""Exports that are killed, each at a moment of its own: the old file stands, or the new one, never a half."""

import itertools
import random
import time
from multiprocessing import get_context

import torch
import trimesh

from meshanim.export import export, read_performance
from meshanim.mesh import Mesh
from meshanim.performance import Performance

KILLS = 50
TARGETS = ("a.glb", "a.npz", "a.pc2", "a.mdd", "a.csv", "a.usdc")
READABLE = ("a.glb", "a.npz", "a.pc2", "a.mdd", "a.usdc")
FPS = (25.0, 50.0)


def wave(fps):
    """One of two performances that differ in every frame."""
    ball = trimesh.creation.icosphere(3, 0.1)
    mesh = Mesh(torch.tensor(ball.vertices).float(), torch.tensor(ball.faces))
    basis = 0.02 * torch.sin(fps * mesh.vertices * torch.arange(1, 4)[:, None, None])
    weights = torch.linspace(0.1, 1, 120)[:, None] ** torch.tensor([1, fps / 25, 3])
    return Performance(mesh, fps, None, weights, basis, ("jawOpen", "mouthClose", "cheekPuff"))


def export_again_and_again(folder, standing):
    """Old, new, old ... in every format, until somebody kills it."""
    torch.set_num_threads(1)
    for performance in itertools.cycle([wave(fps) for fps in FPS]):
        for target in TARGETS:
            export(performance, f"{folder}/{target}")
        standing.set()


def is_whole(path, known):
    """Whether the file's positions, read to their end, are those of one of the two."""
    found = read_performance(path, fps=25 if path.suffix == ".pc2" else None).vertices()
    return any(len(found) == len(one) and float((found - one).abs().max()) < 1e-5 for one in known)


def test_what_stands_is_whole(tmp_path):
    context, moments = get_context("forkserver"), random.Random(0)
    context.set_forkserver_preload(["meshanim.export", "pxr.Usd", "trimesh"])
    known = [wave(fps).vertices() for fps in FPS]
    lines = len(known[0]) + 1
    for _ in range(KILLS):
        standing = context.Event()
        process = context.Process(target=export_again_and_again, args=(tmp_path, standing))
        process.start()
        assert standing.wait(60)
        time.sleep(moments.uniform(0, 0.15))
        process.kill()
        process.join()
        assert all(is_whole(tmp_path / target, known) for target in READABLE)
        text = (tmp_path / "a.csv").read_text()
        assert text.count("\n") == lines and text.endswith("\n")
    left = {path.name for path in tmp_path.iterdir() if not path.name.startswith(".")}
    assert left == {*TARGETS, "a.obj"}
