"""Erasure: how often parity brings a group back over bursty channels, computed exactly and
measured.

A round is as many groups as take turns, sent at once over a channel that had time to forget. The
figures go to results/link-erasure.json: the share of groups complete and of packets known, exact
(of groups) and of real packets.
"""

from functools import cache
from itertools import count, islice
from random import Random

from link.emulator.channel import NAMED_LOSSES, GilbertElliott
from link.output.results import write_result
from link.wire.control import Parity
from link.wire.erasure import ParityDecoder, ParityEncoder, ParityPlan, Recovered
from link.wire.packet import PacketType
from tests.studies.command import command

CHANNELS = {
    **{name: loss for name, loss in NAMED_LOSSES.items() if isinstance(loss, GilbertElliott)},
    "iid": GilbertElliott(0.1, 0.9),
}
N_ROUNDS = 20_000


def p_at_most_lost(channel: GilbertElliott, n_packets: int, n_lost: int, stride: int = 1) -> float:
    """Exactly: P(at most n_lost of n_packets are lost) when they are every stride-th packet on the
    channel.

    Dynamic programme over (state, losses so far); `stride` steps of a two-state chain are again
    one, whose memory 1 - p - r is raised to that power.
    """
    p, r = channel.p_good_to_bad, channel.p_bad_to_good
    forgotten = 1 - (1 - p - r) ** stride
    p, r = p / (p + r) * forgotten, r / (p + r) * forgotten
    good = {0: 1 - channel.mean_loss}
    bad = {1: channel.mean_loss}
    for _ in range(n_packets - 1):
        counts = set(good) | {n + 1 for n in good} | set(bad) | {n + 1 for n in bad}
        good, bad = (
            {n: good.get(n, 0.0) * (1 - p) + bad.get(n, 0.0) * r for n in counts},
            {n: good.get(n - 1, 0.0) * p + bad.get(n - 1, 0.0) * (1 - r) for n in counts},
        )
    return sum(share for counts in (good, bad) for n, share in counts.items() if n <= n_lost)


def send(plan: ParityPlan, bodies: list[tuple[bytes, PacketType]]) -> list[Parity | Recovered]:
    """What goes on air for these packets, in its order: data packets as Recovered, parity between
    them.
    """
    encoder = ParityEncoder(plan)
    sent: list[Parity | Recovered] = []
    # an id and a packet each
    for counter, (body, packet_type) in zip(count(2, 2), bodies, strict=False):
        sent += [Recovered(counter, body, packet_type), *encoder.push(counter, body, packet_type)]
    return sent + encoder.flush()


def receive(decoder: ParityDecoder, arrived: list[Parity | Recovered]) -> dict[int, Recovered]:
    """All that the host ends up with, received or recovered, by counter."""
    known: dict[int, Recovered] = {}
    for packet in arrived:
        back = (
            decoder.push_parity(packet)
            if isinstance(packet, Parity)
            else [packet, *decoder.push(*packet)]
        )
        known |= {each.counter: each for each in back}
    return known


@cache
def sent_once(plan: ParityPlan) -> tuple[Parity | Recovered, ...]:
    """A round of full groups with bodies of different lengths."""
    random = Random(5)
    bodies = [
        (random.randbytes(random.randrange(3)), PacketType.DATA)
        for _ in range(plan.n_data * plan.depth)
    ]
    return tuple(send(plan, bodies))


def share_decoded(
    plan: ParityPlan, channel: GilbertElliott, n_rounds: int, seed: int
) -> tuple[float, float]:
    """Shares of groups sent over the channel, one round after another with long pauses: those
    complete, and packets known.
    """
    random = Random(seed)
    sent = sent_once(plan)
    groups = {packet.members for packet in sent if isinstance(packet, Parity)}
    n_complete = n_known = 0
    for _ in range(n_rounds):
        losses = islice(channel.losses(random), len(sent))
        arrived = [packet for packet, is_lost in zip(sent, losses, strict=True) if not is_lost]
        known = receive(ParityDecoder(), arrived)
        assert not set(known.values()) - set(sent)
        n_complete += sum(known.keys() >= set(members) for members in groups)
        n_known += len(known)
    return n_complete / (n_rounds * plan.depth), n_known / (n_rounds * plan.n_data * plan.depth)


def main(_: object) -> None:
    figures: dict[str, float] = {}
    print(f"{'':6}{'plan':>8}{'groups':>10}{'exact':>9}{'packets':>10}")
    for name, channel in CHANNELS.items():
        for n_parity, depth in ((1, 1), (2, 1), (4, 1), (2, 2), (2, 3), (2, 4), (4, 2)):
            plan = ParityPlan(8, n_parity, depth)
            complete, known = share_decoded(plan, channel, N_ROUNDS, seed=1)
            exact = p_at_most_lost(channel, 8 + n_parity, n_parity, stride=depth)
            key = f"{name}_8_{n_parity}_depth_{depth}"
            figures |= {
                f"{key}_groups": complete,
                f"{key}_groups_exact": round(exact, 6),
                f"{key}_packets": known,
            }
            print(f"{name:6}{f'8+{n_parity} ×{depth}':>8}{complete:10.4f}{exact:9.4f}{known:10.4f}")
    print(
        write_result(
            "link-erasure", figures, command=command(), seeds=[1], extra={"rounds": N_ROUNDS}
        )
    )
