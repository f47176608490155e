"""What a network's description may say, and the sentence for what it may not."""

import json

import pytest

from device.training.description import (
    MAX_LAYERS,
    Convolution,
    DescriptionError,
    Residual,
    parameters,
    read,
    walk,
)

IMAGE = {"kind": "image", "height": 8, "width": 8, "channels": 3}
LOSS = {"kind": "cross_entropy", "classes": 10}
CONV = {"kind": "conv", "name": "a", "inputs": 3, "outputs": 4, "side": 3, "padding": 1}
POOL = {"kind": "mean_pool"}
DENSE = {"kind": "dense", "name": "c", "inputs": 4, "outputs": 10, "bias": True}
FILTERS = [[[1, 1], [1, 1]], [[1, -1], [1, -1]]]


def described(*layers: object) -> str:
    return json.dumps([IMAGE, *layers, LOSS])


def test_parameters_stand_in_the_order_of_the_layers():
    norm = {"kind": "norm", "name": "b", "channels": 4}
    inner = {**CONV, "name": "d", "inputs": 4}
    branch = {"kind": "residual", "layers": [inner], "shortcut": [norm]}
    layers = read(described(CONV, branch, POOL, DENSE))
    assert parameters(layers) == {
        "a.weight": (4, 3, 3, 3),
        "d.weight": (4, 4, 3, 3),
        "b.weight": (4,),
        "b.bias": (4,),
        "c.weight": (10, 4),
        "c.bias": (10,),
    }
    assert [each.name for each in walk(layers) if isinstance(each, Convolution)] == ["a", "d", "c"]
    assert isinstance(layers[2], Residual)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("[1]", "is no list of layers"),
        (json.dumps([LOSS, LOSS]), "first layer is an image"),
        (described({"kind": "pickle"}), "layer 1 is of kind 'pickle'; there are image, conv"),
        (described({**CONV, "side": 99}), "layer 1, conv: side is 99; it must be from 1 to 16"),
        (described({**CONV, "colour": 1}), 'layer 1, conv: key "colour" is unknown'),
        (described({"kind": "norm", "name": "b"}), 'layer 1, norm: key "channels" is missing'),
        (described(CONV, CONV), "two layers have a parameter 'a.weight'"),
        (
            described({**CONV, "kind": "stem", "filters": [[[1, 2], [3]]]}),
            "layer 1: filters must be square",
        ),
        (described({**CONV, "kind": "stem", "filters": []}), "layer 1: filters must be square"),
        (described({"kind": "residual", "layers": []}), "layer 1: it has 0 layers"),
        (described(CONV), r"layer 2, cross_entropy: it has 10 classes, and behind .8, 8, 4."),
        (described(CONV, DENSE), "layer 2, dense: a dense layer stands behind one point"),
        (described({**CONV, "inputs": 4}), "layer 1, conv: it takes 4 channels, and is given 3"),
        (described({"kind": "max_pool", "side": 9}), "layer 1, max_pool: it makes .0, 0, 3."),
        (
            described({"kind": "residual", "layers": [CONV]}),
            "layer 1, residual: its branches end in .8, 8, 4. and .8, 8, 3.",
        ),
        (described(*[{"kind": "relu"}] * MAX_LAYERS), "it must have 1 to 400"),
        (
            described(*[{**CONV, "name": str(n), "inputs": 4096, "outputs": 4096} for n in (1, 2)]),
            "it has more than 16000000 weights",
        ),
    ],
)
def test_what_is_no_network_is_refused_in_a_sentence(text, sentence):
    with pytest.raises(DescriptionError, match=sentence.replace("[", r"\[")):
        read(text)


def test_filters_of_a_stem_count_among_its_inputs():
    [_, stem, *_] = read(described({**CONV, "kind": "stem", "filters": FILTERS}, POOL, DENSE))
    assert stem.parameters == {"a.weight": (4, 6, 3, 3)}
