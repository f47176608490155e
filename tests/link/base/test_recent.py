from link.base.recent import Recent


def test_the_oldest_key_makes_room():
    recent: Recent[str, str] = Recent(2)
    for key in "abc":
        recent[key] = key.upper()
    assert dict(recent) == {"b": "B", "c": "C"}


def test_a_key_that_is_set_again_is_the_newest():
    recent: Recent[str, int] = Recent(2)
    recent["a"] = 1
    recent["b"] = 2
    recent["a"] = 3
    recent["c"] = 4
    assert list(recent.items()) == [("a", 3), ("c", 4)]


def test_a_default_keeps_place_and_value_of_a_key_that_is_here():
    recent: Recent[str, int] = Recent(2)
    recent["a"] = 1
    recent["b"] = 2
    assert recent.setdefault("a", 3) == 1
    recent["c"] = 4
    assert list(recent) == ["b", "c"]


def test_a_default_makes_room_as_any_other():
    recent: Recent[str, None] = Recent(1)
    recent.setdefault("a")
    recent.setdefault("b")
    assert dict(recent) == {"b": None}


def test_many_at_once_leave_the_last_of_them():
    recent: Recent[int, None] = Recent(3)
    recent.update(dict.fromkeys(range(10)))
    assert list(recent) == [7, 8, 9]


def test_two_with_the_same_content_are_equal():
    one: Recent[str, int] = Recent(2)
    other: Recent[str, int] = Recent(2)
    one["a"] = other["a"] = 1
    assert one == other
    other["b"] = 2
    assert one != other
