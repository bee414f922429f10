import torch

from meshanim.nn import LabelEncoder


def test_later_labels_leave_earlier_frames_alone() -> None:
    encoder, labels = LabelEncoder(), torch.rand(1, 20, 6)
    changed = labels.clone()
    changed[:, 12:] = 0
    assert torch.equal(encoder(changed)[:, :12], encoder(labels)[:, :12])
    assert not torch.equal(encoder(changed)[:, 12:], encoder(labels)[:, 12:])


def test_without_biases_rest_is_the_origin() -> None:
    path = LabelEncoder(bias=False)(torch.zeros(2, 30, 6))
    assert path.shape == (2, 30, 64) and not path.any()
    assert LabelEncoder(bias=True)(torch.zeros(2, 30, 6)).any()


def test_gradients_reach_the_labels() -> None:
    labels = torch.rand(1, 5, 6, requires_grad=True)
    LabelEncoder()(labels).sum().backward()
    assert labels.grad is not None and bool(labels.grad.any())
