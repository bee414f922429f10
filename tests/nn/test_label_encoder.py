import torch

from meshanim.nn import LabelEncoder


def test_later_labels_leave_earlier_frames_alone() -> None:
    encoder, labels = LabelEncoder(), torch.rand(1, 20, 6)
    changed = labels.clone()
    changed[:, 12:] = 0
    assert torch.equal(encoder(changed)[:, :12], encoder(labels)[:, :12])
    assert not torch.equal(encoder(changed)[:, 12:], encoder(labels)[:, 12:])


def test_both_directions_see_all_labels() -> None:
    encoder, labels = LabelEncoder(6, 12, bidirectional=True, layers=2), torch.rand(1, 20, 6)
    changed = labels.clone()
    changed[:, 12:] = 0
    first, second = encoder(labels), encoder(changed)
    assert first.shape == (1, 20, 12)
    assert bool((first != second).any(dim=-1).all())


def test_a_path_has_a_frame_for_every_label() -> None:
    assert LabelEncoder(6, 10)(torch.zeros(2, 30, 6)).shape == (2, 30, 10)


def test_gradients_reach_the_labels() -> None:
    labels = torch.rand(1, 5, 6, requires_grad=True)
    LabelEncoder()(labels).sum().backward()
    assert labels.grad is not None and bool(labels.grad.any())
