from dataclasses import replace
from pathlib import Path

import pytest
import torch

from meshanim._check import InputError
from meshanim.synthesis import EXPRESSIONS
from meshanim.training import ClassifierRecipe, classifier, train_classifier


def test_it_tells_expressions_apart_on_people_it_has_not_seen(
    corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(classifier, "COMPONENTS", 6)
    seen = [sequence for sequence in corpus if sequence.subject != 2]
    model = train_classifier(seen, ClassifierRecipe(epochs=60), tmp_path, progress=False)
    for sequence in corpus:
        named = model.classify(sequence.vertices - sequence.neutral)
        assert EXPRESSIONS[named] == sequence.expression


def test_an_expression_that_is_none_of_the_six_is_named(corpus, tmp_path: Path) -> None:
    other = [replace(corpus[0], expression="bareteeth"), *corpus[1:]]
    with pytest.raises(InputError, match=r"expression must be one of happy, .*, got 'bareteeth'"):
        train_classifier(other, ClassifierRecipe(epochs=1), tmp_path, progress=False)


def test_the_paper_s_settings() -> None:
    recipe = ClassifierRecipe()
    assert (recipe.epochs, recipe.weight_decay) == (13, 5e-3)
    assert replace(recipe, seed=1).seed == 1 and torch.get_default_dtype() == torch.float32
