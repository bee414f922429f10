"""Video with sound, through PyAV."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
from numpy.typing import NDArray

from meshanim._check import InputError, check_range
from meshanim.vision.images import check_image

BT709 = 1
"""Number of ITU-R BT.709 in H.264's tables of matrices, primaries and transfer curves."""
LIMITED_RANGE = 1
"""FFmpeg's number for luma in 16 to 235, which every player expects."""

INDEXED = (".mp4", ".mov")
"""Suffixes of containers with an index, which goes to the front, so that players can begin at once."""
CONTAINERS = (*INDEXED, ".mkv")
AAC_BITS_PER_SECOND = 192_000
"""FFmpeg's own AAC encoder is audibly wrong on steady tones at its default rate."""


class _Sound:
    """Feeds a mono waveform to an AAC track, up to a moment at a time, so that the file interleaves well."""

    def __init__(self, container: av.container.OutputContainer, waveform: NDArray, sample_rate: int) -> None:
        if waveform.ndim != 1 or not np.isfinite(waveform).all():
            raise InputError(f"waveform must be (N,) finite samples, got shape {tuple(waveform.shape)}")
        if not np.issubdtype(waveform.dtype, np.floating):
            raise InputError(f"waveform must be floating samples in [-1, 1], got {waveform.dtype}")
        check_range("sample_rate", sample_rate, 1)
        known = av.Codec("aac", "w").audio_rates or [48000]
        # AAC has a fixed list of rates; a rate between two of them goes to the next higher one.
        rate = min((r for r in known if r >= sample_rate), default=max(known))
        self.container, self.sample_rate, self.given = container, sample_rate, 0
        self.waveform = np.clip(waveform, -1, 1).astype(np.float32)
        self.stream = container.add_stream("aac", rate=rate, layout="mono")
        self.stream.bit_rate = AAC_BITS_PER_SECOND
        self.resampler = av.AudioResampler("fltp", "mono", rate, frame_size=1024)

    def until(self, seconds: float) -> None:
        """Encode up to ``seconds`` from the beginning."""
        stop = min(len(self.waveform), round(seconds * self.sample_rate))
        if stop <= self.given:
            return
        frame = av.AudioFrame.from_ndarray(self.waveform[None, self.given : stop], "fltp", "mono")
        frame.sample_rate, frame.pts, frame.time_base = (
            self.sample_rate,
            self.given,
            Fraction(1, self.sample_rate),
        )
        self.given = stop
        self._encode(frame)

    def finish(self) -> None:
        """Encode what is left."""
        self.until(len(self.waveform) / self.sample_rate)
        self._encode(None)
        self.container.mux(self.stream.encode(None))

    def _encode(self, frame: av.AudioFrame | None) -> None:
        for part in self.resampler.resample(frame):
            self.container.mux(self.stream.encode(part))


def _encoding() -> dict[str, str]:
    """Options of x264, without its AVX-512 code: by that the same frames give other bytes each time."""
    if torch.backends.cpu.get_cpu_capability() == "AVX512":
        return {"crf": "18", "x264-params": "asm=avx2"}
    return {"crf": "18"}


class _Picture:
    """The H.264 track; its size is that of the first frame, made even, since yuv420p halves both."""

    def __init__(
        self, container: av.container.OutputContainer, shape: tuple[int, ...], rate: Fraction
    ) -> None:
        self.container, self.shape, self.rate, self.count = container, shape, rate, 0
        self.padding = ((0, shape[0] % 2), (0, shape[1] % 2), (0, 0))
        self.stream = container.add_stream("libx264", rate=rate, options=_encoding())
        self.stream.height, self.stream.width = shape[0] + shape[0] % 2, shape[1] + shape[1] % 2
        self.stream.pix_fmt = "yuv420p"
        context = self.stream.codec_context
        context.time_base = 1 / rate
        context.colorspace = context.color_primaries = context.color_trc = BT709
        context.color_range = LIMITED_RANGE

    def add(self, image: NDArray[np.uint8]) -> None:
        """Encode the next frame."""
        check_image(f"frame {self.count}", image)
        if image.shape != self.shape:
            raise InputError(
                f"frame {self.count} must have shape {self.shape} as the first one, got {image.shape}"
            )
        frame = av.VideoFrame.from_ndarray(np.pad(image, self.padding, mode="edge"), "rgb24")
        frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
        frame.pts, frame.time_base = self.count, 1 / self.rate
        self.container.mux(self.stream.encode(frame))
        self.count += 1

    def finish(self) -> None:
        """Encode what the encoder still holds."""
        self.container.mux(self.stream.encode(None))


def write_video(
    path: str | Path,
    frames: Iterable[NDArray[np.uint8]],
    fps: float,
    waveform: NDArray | None = None,
    sample_rate: int | None = None,
) -> None:
    """Write frames as H.264 (yuv420p, BT.709), which every player shows, with sound as AAC.

    Args:
        path: file to write; its suffix names the container (.mp4, .mov, .mkv).
        frames: (H, W, 3) uint8, all of one size, taken one at a time; an odd height or width is made even
            by repeating the last row or column.
        fps: frames per second, at least 0.001.
        waveform: (N,) mono samples in [-1, 1].
        sample_rate: samples per second of ``waveform``.

    Raises:
        InputError: another suffix, no frames, a frame of another shape, a waveform without its sample rate,
            or of whole numbers.
        OSError: the file cannot be written.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in CONTAINERS:
        raise InputError(f"{path} must end in one of {', '.join(CONTAINERS)}, got {suffix or 'no suffix'}")
    check_range("fps", fps, 0.001)
    if (waveform is None) != (sample_rate is None):
        raise InputError("waveform and sample_rate must come together, got only one of them")
    remaining = iter(frames)
    first = next(remaining, None)
    if first is None:
        raise InputError("frames must hold at least one frame, got none")
    check_image("frame 0", first)
    options = {"movflags": "faststart"} if suffix in INDEXED else {}
    # FFmpeg takes the first part of a relative "take:1.mp4" for a protocol.
    with av.open(str(Path(path).absolute()), "w", options=options) as container:
        picture = _Picture(container, first.shape, Fraction(fps).limit_denominator(10_000))
        sound = None
        if waveform is not None and sample_rate is not None:
            sound = _Sound(container, np.asarray(waveform), sample_rate)
        for image in itertools.chain([first], remaining):
            picture.add(image)
            if sound is not None:
                sound.until(picture.count / fps)
        picture.finish()
        if sound is not None:
            sound.finish()
