"""An alert reaches somebody who was away, once, and nobody is tried for ever."""

import threading
import time

import pytest

from host_decoder.alerts.watch import Alert
from host_decoder.outputs import courier
from host_decoder.outputs.courier import GIVE_UP_S, Courier, NotToldError, RefusedError

PATIENCE_S = 20.0


def alert(at_s: float | None = None, node: int = 7) -> Alert:
    return Alert("fault", "fault", node, True, time.time() if at_s is None else at_s, "no camera")


class Addressee:
    """Fails as it is told to, one try after the other, and then takes everything."""

    def __init__(self, *failures: Exception | float) -> None:
        self._failures = list(failures)
        self.tries: list[int] = []
        self.told: list[int] = []
        self.settled: list[int] = []
        self.said: list[str] = []
        self.courier = Courier(
            "webhook",
            self.bring,
            lambda _, one: self.settled.append(one.node),
            lambda sentence, _: self.said.append(sentence),
            first_pause_s=0.01,
            try_s=0.2,
        )

    def bring(self, one: Alert) -> None:
        self.tries.append(one.node)
        failure = self._failures.pop(0) if self._failures else None
        if isinstance(failure, Exception):
            raise failure
        if failure is not None:
            threading.Event().wait(failure)
        self.told.append(one.node)

    def wait_for_settled(self, n: int) -> None:
        end_s = time.monotonic() + PATIENCE_S
        while len(self.settled) < n and time.monotonic() < end_s:
            time.sleep(0.005)
        self.courier.stop()
        self.courier.join(PATIENCE_S)


@pytest.mark.parametrize("failure", [NotToldError("away"), 3.0])
def test_who_is_away_or_does_not_end_is_tried_again_and_told_in_order(failure):
    addressee = Addressee(failure, failure)
    addressee.courier.tell(alert(node=1))
    addressee.courier.tell(alert(node=2))
    addressee.courier.start()
    addressee.wait_for_settled(2)
    assert addressee.tries == [1, 1, 1, 2]
    assert addressee.told[-2:] == [1, 2]
    assert addressee.settled == [1, 2]
    assert len(addressee.said) == 1


def test_who_refuses_one_is_asked_for_the_next(monkeypatch):
    addressee = Addressee(RefusedError("no"), NotToldError("away"))
    addressee.courier.tell(alert(node=1))
    addressee.courier.tell(alert(node=2, at_s=time.time() - GIVE_UP_S - 1))
    addressee.courier.tell(alert(node=3))
    addressee.courier.start()
    addressee.wait_for_settled(3)
    assert (addressee.tries, addressee.told) == ([1, 2, 3], [3])
    assert addressee.said == ["webhook: no", "webhook: away"]


def test_at_the_end_nobody_waits_and_what_was_not_told_is_not_settled():
    addressee = Addressee(*[NotToldError("away")] * 99)
    addressee.courier.tell(alert())
    addressee.courier.start()
    time.sleep(0.3)
    begun_s = time.monotonic()
    addressee.wait_for_settled(0)
    assert time.monotonic() - begun_s < PATIENCE_S / 2
    assert addressee.settled == []
    assert addressee.courier.n_waiting == 1


def test_tries_that_never_end_do_not_pile_up(monkeypatch):
    monkeypatch.setattr(courier, "MAX_HANGING", 2)
    addressee = Addressee(*[2.0] * 99)
    addressee.courier.tell(alert())
    addressee.courier.start()
    end_s = time.monotonic() + PATIENCE_S
    while len(addressee.said) < 2 and time.monotonic() < end_s:
        time.sleep(0.005)
    assert len(addressee.tries) == 2
    assert addressee.said[-1] == "webhook: 2 tries have no end yet; waiting for one of them"
    addressee.wait_for_settled(0)
