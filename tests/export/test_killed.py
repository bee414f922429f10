"""Exports that are killed, each at a moment of its own: the old stands, or the new, never a half or a mix."""

import itertools
import os
import random
import signal
import sys
import time
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch
import trimesh

from meshanim.export import export, read_performance
from meshanim.mesh import Mesh
from meshanim.performance import Performance

KILLS = 50
EXACT = ("a.glb", "a.pc2", "a.mdd", "a.csv", "obj/", "ply/")
READ = ("a.npz", "a.usdc")
"""Formats whose bytes are not promised to be the same each time."""
FRAMES = (70, 110)


def wave(frames):
    """One of two performances that differ in every frame, and in their number."""
    ball = trimesh.creation.icosphere(1, 0.1)
    mesh = Mesh(torch.tensor(ball.vertices).float(), torch.tensor(ball.faces))
    basis = 0.02 * torch.sin(frames * mesh.vertices * torch.arange(1, 4)[:, None, None])
    weights = torch.linspace(0.1, 1, frames)[:, None] ** torch.tensor([1, frames / 70, 3])
    return Performance(mesh, 25.0, None, weights, basis, ("jawOpen", "mouthClose", "cheekPuff"))


def write(performance, folder, target):
    export(performance, f"{folder}/{target}", **({"format": target[:-1]} if target.endswith("/") else {}))


def die_at(step):
    """Have this process killed when it is about to touch a file or folder for the so-manieth time."""
    steps = itertools.count(1)

    def watch(event, _):
        if event in ("open", "os.rename", "os.remove", "os.mkdir", "ctypes.dlsym") and next(steps) == step:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


def export_again_and_again(folder, begun, seed, step):
    """One or the other in every format, until somebody kills it, or it dies at that step."""
    torch.set_num_threads(1)
    moves = list(itertools.product([wave(frames) for frames in FRAMES], EXACT + READ))
    random.Random(seed).shuffle(moves)
    begun.set()
    die_at(step)
    for performance, target in itertools.cycle(moves):
        write(performance, folder, target)


def content(path):
    """The bytes of a file, or of all the files in a folder by their names."""
    if path.is_dir():
        return {file.name: file.read_bytes() for file in path.iterdir()}
    return path.read_bytes()


def is_whole(path, known):
    """Whether the file's positions, read to their end, are those of one of the two."""
    found = read_performance(path).vertices()
    return any(len(found) == len(one) and float((found - one).abs().max()) < 1e-5 for one in known)


def test_what_stands_is_whole(tmp_path):
    context, moments = get_context("forkserver"), random.Random(0)
    context.set_forkserver_preload(["meshanim.export", "pxr.Usd", "trimesh"])
    performances = [wave(frames) for frames in FRAMES]
    positions = [performance.vertices() for performance in performances]
    known: dict[str, list] = {target: [] for target in EXACT}
    folder = tmp_path / "killed"
    for performance in performances:
        for target in EXACT + READ:
            write(performance, folder, target)
        for target in EXACT:
            known[target].append(content(folder / target))
    for kill in range(KILLS):
        begun = context.Event()
        # Every other one dies by the clock: inside native writers too, but seldom in what takes no time.
        step = moments.randint(1, 400) if kill % 2 else None
        process = context.Process(target=export_again_and_again, args=(folder, begun, kill, step))
        process.start()
        assert begun.wait(60)
        if step is None:
            time.sleep(moments.uniform(0, 0.1))
            process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        assert [target for target in EXACT if content(folder / target) not in known[target]] == []
        assert [target for target in READ if not is_whole(folder / target, positions)] == []
    left = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    assert left == {*(target.strip("/") for target in EXACT + READ), "a.obj"}


@pytest.mark.parametrize("name", ["a.pc2", "a.mdd", "a.usdc"])
def test_a_file_gets_its_name_after_those_that_it_refers_to(tmp_path, monkeypatch, name):
    named, plain = [], Path.replace

    def watch(place, target):
        named.append(target.name)
        return plain(place, target)

    monkeypatch.setattr(Path, "replace", watch)
    export(replace(wave(70), waveform=torch.zeros(8000), sample_rate=8000), tmp_path / name)
    assert {"a.obj", "a_sound.wav"} & set(named[:-1])
    assert named[-1] == name
