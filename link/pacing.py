"""Pacing: when a sender may speak, so that no line queues and no duty cycle is broken. The caller brings the clock."""

DUTY_CYCLE_WINDOW_S = 3600.0
"Observation window of EN 300 220: the share of the air is judged over any hour."


class TokenBucket:
    """Fills at `rate` per second up to `burst`, so any window of T seconds passes at most rate · T + burst."""

    def __init__(self, rate: float, burst: float) -> None:
        if rate <= 0 or burst <= 0:
            raise ValueError(f"a token bucket needs a positive rate and burst, got {rate} and {burst}")
        self.rate = rate
        self.burst = burst
        self._tokens = burst
        self._filled_at_s: float | None = None

    def _tokens_at(self, now_s: float) -> float:
        elapsed_s = 0.0 if self._filled_at_s is None else max(0.0, now_s - self._filled_at_s)
        return min(self.burst, self._tokens + elapsed_s * self.rate)

    def ready_s(self, amount: float, now_s: float) -> float:
        """The earliest time, from now_s on, at which `amount` may be taken."""
        if amount > self.burst:
            raise ValueError(f"{amount:g} at once can never pass a bucket that holds {self.burst:g}")
        missing = amount - self._tokens_at(now_s)
        return now_s + max(0.0, missing / self.rate)

    def take(self, amount: float, now_s: float) -> None:
        """Pay for what starts at now_s; asked before ready_s it is a debt that later senders wait for."""
        self._tokens = self._tokens_at(now_s) - amount
        self._filled_at_s = now_s


class Pacer:
    """One sender's turns: its frames follow one another and their airtime keeps the duty cycle in any hour.

    The bucket holds one longest frame, and fills by so much less than the duty cycle that rate · hour + burst is its
    share of an hour.
    """

    def __init__(self, duty_cycle: float = 1.0, longest_airtime_s: float = 0.0) -> None:
        if not 0 < duty_cycle <= 1:
            raise ValueError(f"duty cycle is {duty_cycle:g}; it is a share of the time, above 0 and at most 1")
        self._free_s = float("-inf")
        self._budget: TokenBucket | None = None
        if duty_cycle < 1:
            rate = duty_cycle - longest_airtime_s / DUTY_CYCLE_WINDOW_S
            if rate <= 0:
                raise ValueError(
                    f"one frame of {longest_airtime_s:g} s is more than a duty cycle of {duty_cycle:g} allows "
                    "in an hour: use shorter packets or a faster profile"
                )
            self._budget = TokenBucket(rate, longest_airtime_s)

    def start_s(self, airtime_s: float, now_s: float) -> float:
        """The earliest time, from now_s on, at which a frame of this airtime may start."""
        free_s = max(now_s, self._free_s)
        return free_s if self._budget is None else self._budget.ready_s(airtime_s, free_s)

    def occupy(self, airtime_s: float, start_s: float) -> float:
        """This sender speaks from start_s; returns when it ends."""
        if self._budget is not None:
            self._budget.take(airtime_s, start_s)
        return self.hold(start_s + airtime_s)

    def hold(self, until_s: float) -> float:
        """Another sender has the channel until then."""
        self._free_s = max(self._free_s, until_s)
        return self._free_s
