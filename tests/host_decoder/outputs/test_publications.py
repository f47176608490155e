"""What is said at a broker next."""

from host_decoder.outputs.publications import FRESH_S, MAX_NEWS, Publications


def due(publications: Publications, now_s: float = 0.0) -> list[tuple[str, bytes]]:
    found = []
    while (one := publications.next(now_s)) is not None:
        found.append((one.topic, one.payload))
    return found


def test_of_what_is_retained_the_newest_counts_and_the_same_is_not_said_twice():
    publications = Publications()
    publications.keep("config", b"1")
    publications.keep("state", b"old")
    publications.keep("state", b"new")
    assert due(publications) == [("config", b"1"), ("state", b"new")]
    publications.keep("state", b"new")
    assert due(publications) == []
    publications.again()
    assert due(publications) == [("config", b"1"), ("state", b"new")]


def test_news_is_said_in_order_while_it_is_fresh_and_never_again():
    publications = Publications()
    for name in ("a", "b"):
        publications.tell("result", name.encode(), 0.0)
    publications.tell("result", b"c", 10.0)
    assert due(publications, FRESH_S + 1) == [("result", b"c")]
    assert publications.n_dropped == 2
    publications.again()
    assert due(publications) == []


def test_what_did_not_arrive_is_said_in_its_order_and_the_newest_state_in_place_of_an_old_one():
    publications = Publications()
    publications.keep("state", b"1")
    publications.tell("result", b"a", 0.0)
    publications.tell("result", b"b", 0.0)
    state, a = publications.next(0.0), publications.next(0.0)
    assert state is not None
    assert a is not None
    publications.keep("state", b"2")
    publications.back(a)
    publications.back(state)
    assert due(publications) == [("state", b"2"), ("result", b"a"), ("result", b"b")]


def test_there_is_only_so_much_news():
    publications = Publications()
    for number in range(MAX_NEWS + 5):
        publications.tell("result", str(number).encode(), 0.0)
    assert due(publications)[0] == ("result", b"5")
    assert publications.n_dropped == 5
