"""Stretches of talking clips: what is beside what, silence, clips that cannot be learned from."""

import pytest
import torch

from meshanim._check import InputError
from meshanim.audio import Sound
from meshanim.datasets import TalkingClip
from meshanim.faces import ARKIT_NAMES
from meshanim.talking_heads.polynomial_encoders import sound_windows
from meshanim.talking_heads.polynomial_model import SPONTANEOUS
from meshanim.training.talking_batches import SeenClip, TalkingBatch
from meshanim.training.voices import Voices


def clip(frames: int = 30, blank: int = 0, **changes) -> TalkingClip:
    generator = torch.Generator().manual_seed(frames)
    shown = torch.randint(256, (frames, 128, 96, 3), generator=generator).byte()
    shown[:blank] = 131
    known = {
        "name": "s1/noise", "speaker": "s1", "text": None, "split": None, "fps": 25.0, "frames": shown,
        "landmarks": torch.zeros(frames, 68, 2),
        "sound": Sound(torch.randn(frames * 640, generator=generator), 16_000),
        "weights": torch.rand(frames, 52, generator=generator),
    }  # fmt: skip
    return TalkingClip(**{**known, **changes})


def displace(clip: TalkingClip) -> torch.Tensor:
    return torch.arange(clip.frame_count).float().view(-1, 1, 1).expand(-1, 68, 3)


def test_everything_in_a_stretch_is_of_the_same_frames() -> None:
    seen = [SeenClip.of(clip(count), displace) for count in (30, 25)]
    batch = TalkingBatch.cut(seen, 5, 8, before=3)
    assert batch.frames.shape == (2, 8, 3, 128, 96) and batch.windows.shape == (2, 11, 3200)
    torch.testing.assert_close(batch.frames[1, 2] * 127.5 + 127.5, seen[1].frames[7].movedim(-1, 0).float())
    torch.testing.assert_close(batch.reference[1] * 127.5 + 127.5, seen[1].frames[0].movedim(-1, 0).float())
    assert torch.equal(batch.windows[0], sound_windows(seen[0].waveform, 2, 13))
    assert torch.equal(batch.heard_frames[0], sound_windows(seen[0].waveform, 5, 13))
    blinks = ARKIT_NAMES.index("eyeBlinkLeft")
    assert SPONTANEOUS[0] == "eyeBlinkLeft" and torch.equal(
        batch.tracks[0, :, 0], seen[0].weights[5:13, blinks]
    )
    assert batch.displacements is not None and batch.displacements[0, :, 0, 0].tolist() == [*range(5, 13)]
    assert TalkingBatch.cut(seen, 1, 4).windows.shape[1] == 5  # no more than there is


def test_stretches_lie_within_the_shortest_clip() -> None:
    seen = [SeenClip.of(clip(count)) for count in (30, 10)]
    for seed in range(5):
        torch.manual_seed(seed)
        assert TalkingBatch.draw(seen, 10).frames.shape[1] == 10
    with pytest.raises(InputError, match="clips must have at least 11 frames, got 10"):
        TalkingBatch.draw(seen, 11)


def test_silence_keeps_the_reference_and_whatever_goes_with_it() -> None:
    seen = [SeenClip.of(clip(20), displace), SeenClip.of(clip(21), displace)]
    batch = TalkingBatch.cut(seen, 5, 6)
    mute, loud = batch.silenced(1.0), batch.silenced(0.0)
    assert torch.equal(mute.frames, batch.reference[:, None].expand_as(mute.frames))
    assert not mute.windows.any() and mute.displacements is not None and not mute.displacements.any()
    assert torch.equal(mute.tracks[1], seen[1].tracks[:1].expand(6, -1))
    for one, other in zip(loud, batch, strict=True):
        assert one is not None and other is not None and torch.equal(one, other)
    torch.manual_seed(0)
    shares = [bool(part.any()) for _ in range(40) for part in batch.silenced(0.5).windows]
    assert 20 < sum(shares) < 60


def test_another_voice_changes_what_is_heard_and_nothing_else() -> None:
    seen = [SeenClip.of(clip(20)), SeenClip.of(clip(21))]
    batch, other = (TalkingBatch.cut(seen, 5, 6, voices=voices) for voices in (None, Voices()))
    assert other.windows.shape == batch.windows.shape and not torch.equal(other.windows, batch.windows)
    assert torch.equal(other.frames, batch.frames) and torch.equal(other.tracks, batch.tracks)


def test_a_clip_begins_where_it_shows_something() -> None:
    whole = clip(20, blank=3)
    seen = SeenClip.of(whole, displace)
    assert len(seen) == 17 and torch.equal(seen.frames[0], whole.frames[3])
    assert torch.equal(seen.waveform, whole.sound.waveform[3 * 640 :])
    assert whole.weights is not None and torch.equal(seen.weights, whole.weights[3:])
    assert seen.displacements is not None and seen.displacements[0, 0, 0] == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fps": 30.0}, "clips must have 25 fps, got s1/noise with 30"),
        ({"sound": Sound(torch.zeros(100), 48_000)}, "clips must have 16000 samples/s, got s1/noise with 48"),
        ({"weights": None}, "clips must come with captured weights, got s1/noise without"),
        ({"blank": 30}, "clips must show a face, got s1/noise, which is blank"),
    ],
)
def test_what_cannot_be_learned_from_is_named(changes: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        SeenClip.of(clip(**changes))
