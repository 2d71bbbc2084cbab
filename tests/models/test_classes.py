"""Classes by name: labels, numbers, WordNet ids, groups, and help for a typing error."""

from __future__ import annotations

import pytest

from camstream.errors import UsageError
from camstream.models.classes import ClassNames, complete
from camstream.models.session import Model


@pytest.fixture(scope="module")
def names(model: Model) -> ClassNames:
    return ClassNames(model.info.labels)


@pytest.mark.parametrize(
    "name", ["Persian cat", "persian CAT", " Persian cat ", "283", "n02123394"]
)
def test_one_class_goes_by_many_names(names: ClassNames, name: str) -> None:
    assert names.find(name).indices == (283,)


def test_a_group_holds_its_classes_and_no_others(names: ClassNames, model: Model) -> None:
    assert names.find("dog").indices == tuple(range(151, 269))
    cats = {model.info.labels[index] for index in names.find("Cat").indices}
    assert cats == {"tabby", "tiger cat", "Persian cat", "Siamese cat", "Egyptian cat"}
    birds = {model.info.labels[index] for index in names.find("bird").indices}
    assert {"cock", "peacock", "flamingo", "king penguin"} <= birds
    assert len(names.find("bird").indices) == 58
    assert 134 not in names.find("ship").indices  # "crane" is a bird and a machine


def test_a_typing_error_is_answered_with_the_nearest_names(names: ClassNames) -> None:
    with pytest.raises(UsageError, match="did you mean Persian cat"):
        names.find("Persain cat")
    with pytest.raises(UsageError, match="WordNet id"):
        names.find("xyzzy")
    with pytest.raises(UsageError, match="use the number of the class"):
        names.find("crane")


def test_other_labels_have_no_groups() -> None:
    other = ClassNames(["cat food", "dog food"])
    with pytest.raises(UsageError, match="did you mean dog food"):
        other.find("dog")


def test_what_begins_alike_is_suggested_first(names: ClassNames) -> None:
    assert names.suggest("dog")[0] == "dog"
    assert names.suggest("pers") == ["Persian cat"]
    assert names.suggest("") == []
    assert "coffee mug" in complete("coffee")


def test_each_class_has_a_name_that_finds_it() -> None:
    names = ClassNames(["cat", "crane", "Crane", "7"])
    found = [
        names.name_of(label, index) for index, label in enumerate(["cat", "crane", "Crane", "7"])
    ]
    assert found == ["cat", "1", "2", "7"]
    assert [names.find(name).indices for name in found] == [(0,), (1,), (2,), (3,)]
