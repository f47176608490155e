"""[[alert]] of host.toml, read and checked."""

import pytest

from host_decoder.alerts.rule import KINDS, LIMITS, read_rule


def test_a_kind_is_enough_and_a_label_stands_in_the_title():
    rule = read_rule({"kind": "silent"})
    assert (rule.title, rule.bound, rule.cooldown_s) == ("silent", 3.0, 300.0)
    seen = read_rule({"kind": "label", "label": "cat", "limit": 0.9, "nodes": [7]})
    assert (seen.title, seen.bound) == ("label cat", 0.9)
    assert seen.is_about(7)
    assert not seen.is_about(8)
    assert read_rule({"kind": "queue", "name": "too much"}).title == "too much"
    assert set(KINDS) == LIMITS.keys() | {"fault"}


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ({}, 'key "kind" is missing'),
        ({"kind": "noise"}, 'kind is "noise"; it must be one of silent, budget'),
        ({"kind": "label"}, "label belongs to kind label"),
        ({"kind": "queue", "label": "cat"}, "label belongs to kind label, and to no other"),
        ({"kind": "loss", "name": "a\nb"}, r"name is 'a\\nb'; write what can be printed"),
        ({"kind": "loss", "hold_s": -1}, "hold_s is -1; it must be from 0"),
    ],
)
def test_what_cannot_be_is_a_sentence(table, sentence):
    with pytest.raises(ValueError, match=sentence):
        read_rule(table)
