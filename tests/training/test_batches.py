import torch

from meshanim.training.batches import SequenceBatch


def test_labels_are_padded_and_frames_packed(corpus) -> None:
    sequences = [corpus[0], corpus[5], corpus[20]]
    batch = SequenceBatch.collate(sequences)
    assert batch.lengths == tuple(len(sequence.labels) for sequence in sequences)
    assert batch.labels.shape == (3, max(batch.lengths), 6)
    assert torch.equal(batch.packed(batch.labels), torch.cat([sequence.labels for sequence in sequences]))
    assert not batch.labels[0, batch.lengths[0] :].any()
    moved = torch.cat([sequence.vertices - sequence.neutral for sequence in sequences])
    assert torch.equal(batch.displacements, moved)


def test_a_window_is_a_run_of_frames_of_each_sequence(corpus) -> None:
    sequences = [corpus[0], corpus[5], corpus[20]]
    torch.manual_seed(0)
    seen = set()
    for _ in range(20):
        batch = SequenceBatch.collate(sequences, window=3)
        assert batch.lengths == (3, 3, 3) and batch.labels.shape[1] == max(len(s.labels) for s in sequences)
        spans = zip(sequences, batch.starts, strict=True)
        moved = [s.vertices[start : start + 3] - s.neutral for s, start in spans]
        assert torch.equal(batch.displacements, torch.cat(moved))
        spans = zip(sequences, batch.starts, strict=True)
        labels = [s.labels[start : start + 3] for s, start in spans]
        assert torch.equal(batch.packed(batch.labels), torch.cat(labels))
        seen.add(batch.starts)
    assert len(seen) > 1


def test_a_window_longer_than_a_sequence_is_all_of_it(corpus) -> None:
    whole, windowed = SequenceBatch.collate(corpus[:2]), SequenceBatch.collate(corpus[:2], window=1000)
    assert windowed.lengths == whole.lengths and torch.equal(windowed.displacements, whole.displacements)
