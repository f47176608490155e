"""While a modem takes less than it promised, packets shrink, chunks wait their turn, and nothing is
dropped.
"""

from link.node.fitting import FIRST_PAUSE_S, LONGEST_PAUSE_S, Fitting

CHUNK, OTHER = (5, 0), (5, 1)


def test_what_did_not_fit_is_followed_by_something_shorter():
    fitting = Fitting(200, least_bytes=20)
    assert not fitting.is_short
    fitting.too_long(150, [CHUNK, OTHER], now_s=0.0)
    assert (fitting.room_bytes, fitting.is_short) == (149, True)


def test_a_modem_that_says_what_fits_is_believed_and_never_beyond_what_did_not():
    fitting = Fitting(200, least_bytes=20)
    fitting.too_long(150, [CHUNK, OTHER], 0.0, told_bytes=51)
    assert fitting.room_bytes == 51
    fitting.too_long(40, [CHUNK, OTHER], 0.0, told_bytes=100)
    assert fitting.room_bytes == 39


def test_what_has_left_makes_room_again():
    fitting = Fitting(200, least_bytes=20)
    fitting.too_long(150, [CHUNK], 0.0)
    fitting.left([CHUNK])
    assert (fitting.room_bytes, fitting.due_s(0.0), fitting.held(0.0)) == (200, None, set())


def test_a_chunk_that_does_not_fit_alone_waits_twice_as_long_each_time():
    fitting = Fitting(200, least_bytes=20)
    now_s = 0.0
    for n in range(4):
        fitting.too_long(150, [CHUNK], now_s)
        due_s = now_s + FIRST_PAUSE_S * 2**n
        assert (fitting.due_s(now_s), fitting.held(now_s)) == (due_s, {CHUNK})
        assert (fitting.due_s(due_s), fitting.held(due_s)) == (None, set())
        now_s = due_s
    fitting.left([CHUNK])
    fitting.too_long(150, [CHUNK], now_s)
    assert fitting.due_s(now_s) == now_s + FIRST_PAUSE_S


def test_chunks_that_did_not_fit_together_may_go_alone_at_once():
    fitting = Fitting(200, least_bytes=20)
    fitting.too_long(150, [CHUNK, OTHER], 0.0)
    assert fitting.held(0.0) == set()


def test_where_not_even_the_shortest_fits_all_of_it_is_tried_again_after_a_pause():
    fitting = Fitting(200, least_bytes=20)
    assert fitting.due_s(0.0) is None
    fitting.too_long(20, [], 10.0)
    assert (fitting.due_s(10.0), fitting.is_short) == (10.0 + FIRST_PAUSE_S, False)
    for _ in range(20):
        fitting.too_long(20, [], 10.0)
    assert fitting.free_s == 10.0 + LONGEST_PAUSE_S
