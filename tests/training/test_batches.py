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
