import torch

from meshanim.nn import MeshDown, MeshLevels, MeshUp


def test_a_constant_field_stays_constant(make_levels) -> None:
    levels: MeshLevels = make_levels(30, 8)
    up = MeshUp(levels.up_indices[0], levels.up_weights[0])
    field = torch.tensor([1.0, -2.0, 3.0]).expand(2, 8, 3)
    # three float32 weights sum to one within rounding
    torch.testing.assert_close(up(field), field[:, :1].expand(2, 30, 3), rtol=1e-6, atol=1e-6)


def test_down_after_up_is_the_identity_where_kept_vertices_carry_themselves() -> None:
    kept = torch.tensor([1, 4, 5])
    indices = torch.tensor([[0, 1, 2], [0, 0, 0], [0, 1, 2], [1, 2, 2], [1, 1, 1], [2, 2, 2]])
    weights = torch.tensor(
        [[0.5, 0.25, 0.25], [1, 0, 0], [0.2, 0.4, 0.4], [0.5, 0.5, 0], [1, 0, 0], [1, 0, 0]]
    )
    features = torch.randn(4, 3, 2)
    assert torch.equal(MeshDown(kept)(MeshUp(indices, weights)(features)), features)


def test_up_is_the_weighted_sum(make_levels) -> None:
    levels: MeshLevels = make_levels(30, 8)
    features = torch.randn(2, 8, 4)
    expected = (features[:, levels.up_indices[0]] * levels.up_weights[0][..., None]).sum(dim=2)
    torch.testing.assert_close(MeshUp(levels.up_indices[0], levels.up_weights[0])(features), expected)


def test_repr_and_state() -> None:
    up, down = MeshUp(torch.zeros(6, 3, dtype=torch.int64), torch.zeros(6, 3)), MeshDown(torch.tensor([0, 2]))
    assert repr(up) == "MeshUp(fine=6, corners=3)"
    assert repr(down) == "MeshDown(coarse=2)"
    assert not up.state_dict() and not down.state_dict()
