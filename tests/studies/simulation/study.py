"""Simulation: thousands of images, a channel that loses a fifth of all frames in bursts, both ends
killed at random.

Real are both ends of the link, the node's outbox, its counters and both airtime ledgers on disk;
time, channel and the host's store are not. Killed is the process, not the disk. Loss in each
direction: Gilbert–Elliott, 20 % in bursts of 4.

A perfect link is the same session over a channel that loses nothing, nobody killed: airtime is
compared with that (both ends' frames added up), and with the floor below it: each base chunk once,
in a packet of its own, nothing else.
"""

import math
import tempfile
from pathlib import Path

import numpy as np

from link.emulator.channel import NoLoss
from link.medium.profiles import get_profile
from link.medium.timing import LinkTiming
from link.node.interface import SenderOptions
from link.output.results import write_result
from tests.studies.command import command
from tests.studies.simulation.session import (
    HOST,
    HOUR_S,
    MEMORY,
    NODE,
    TURNAROUND_S,
    Scenario,
    perfect,
    simulate,
)
from tests.worlds.ends import OutboxNode, World, host_end
from tests.worlds.small_bundle import make_bundle


def figures(scenario: Scenario, prefix: str = "") -> dict[str, float]:
    """What a scenario comes to, beside the same on a perfect link."""
    lossy, lossless = simulate(scenario), simulate(perfect(scenario))
    airtime_s, perfect_s = (
        lossy.airtime_s(NODE) + lossy.airtime_s(HOST),
        sum(map(lossless.airtime_s, (NODE, HOST))),
    )
    share = lossy.duty_cycle
    statistics = lossy.sender_statistics
    latency_s = [
        lossy.first_heard_s.get(image, math.inf) - lossy.captured_s[image]
        for image in lossy.captured
    ]
    result = {
        "images": len(lossy.captured),
        "base_chunks_delivered_share": lossy.n_delivered / len(lossy.captured),
        "airtime_over_perfect_link": airtime_s / perfect_s,
        "airtime_over_floor": airtime_s / lossy.floor_s,
        "perfect_link_over_floor": perfect_s / lossless.floor_s,
        "uplink_airtime_s": lossy.airtime_s(NODE),
        "downlink_airtime_s": lossy.airtime_s(HOST),
        "perfect_link_airtime_s": perfect_s,
        "duty_cycle_violations": sum(
            lossy.busiest_hour_s(end) > share * HOUR_S for end in (NODE, HOST)
        ),
        "node_busiest_hour_share": lossy.busiest_hour_s(NODE) / HOUR_S,
        "host_busiest_hour_share": lossy.busiest_hour_s(HOST) / HOUR_S,
        "frames_lost_share": sum(frame.is_lost for frame in lossy.frames) / len(lossy.frames),
        "node_kills": lossy.n_kills[NODE],
        "host_kills": lossy.n_kills[HOST],
        "chunks_stored": sum(map(len, lossy.store.chunks.values())),
        "chunks_sent_again": sum(one.n_repeated for one in statistics),
        "probes": sum(one.n_probes for one in statistics),
        "images_stopped": sum(one.n_stopped for one in statistics),
        "median_latency_s": float(np.median(latency_s)),
        "p90_latency_s": float(np.percentile(latency_s, 90)),
        "perfect_link_median_latency_s": float(
            np.median(
                [
                    lossless.first_heard_s[image] - lossless.captured_s[image]
                    for image in lossless.captured
                ]
            )
        ),
        "simulated_hours": lossy.now_s / HOUR_S,
    }
    return {prefix + name: value for name, value in result.items()}


def cpu_us(n_images: int = 2000) -> float:
    """Processor time of both ends together for one packet, up or down, on an idle link that loses
    nothing.

    With outbox and counters, whose disk is memory; without decoding, capture and the waiting
    program's own loop.
    """
    scenario = Scenario(n_images=n_images, is_limited=False, loss=NoLoss(), images_per_kill=0)
    simulation = simulate(scenario)
    return 1e6 * simulation.cpu_s / len(simulation.frames)


def goodput(profile: str, seconds: float) -> float:
    """Bitstream bytes that a saturated session delivers, over the bytes of the longest packets the
    line could carry.
    """
    timing = LinkTiming(get_profile(profile), TURNAROUND_S)
    longest = timing.profile.max_packet_bytes
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        bundle = make_bundle(Path(folder) / "bundle")
        node = OutboxNode(Path(folder), bundle, SenderOptions(unasked_chunks=15), timing=timing)
        world = World(node, host_end(bundle, timing))
        first, later = node.sender.chunk_bytes()
        for _ in range(int(seconds / timing.airtime_s(longest) / 15) + 2):
            node.put(bytes(first), *[bytes(later)] * 14)
        world.run(seconds)
        assert node.outbox.n_images > 0, "not saturated"
        n_bytes = sum(len(update.chunk.bitstream) for update in world.updates)
        node.outbox.close()
    return n_bytes / seconds / (longest / timing.airtime_s(longest))


BUSY = Scenario(n_images=3000, interval_s=0.9, chunk_bytes=(20, 20, 20), enough_after=(0.6, 0.8))
"With refinements, which the budget limits."


def main(_: object) -> None:
    """Base chunks alone, then with refinements and verdicts at the limit of the duty cycle."""
    seeds = (1, 2, 3)
    runs = [figures(Scenario(seed=seed)) for seed in seeds]
    result = {name: max(run[name] for run in runs) for name in runs[0]}
    for name in ("images", "duty_cycle_violations"):
        result[name] = sum(run[name] for run in runs)
    result["base_chunks_delivered_share"] = min(run["base_chunks_delivered_share"] for run in runs)
    result |= figures(BUSY, prefix="busy_")
    for profile, seconds in (
        ("lora-sf7-eu868", 120.0),
        ("serial-9600", 60.0),
        ("serial-115200", 6.0),
    ):
        result[f"goodput_{profile}"] = goodput(profile, seconds)
    result["cpu_us_per_packet"] = min(cpu_us() for _ in seeds)
    path = write_result(
        "link-simulation",
        result,
        command=command(),
        seeds=seeds,
        extra={
            "note": (
                "images and violations are sums over the seeds, delivered shares the least, "
                "others the greatest"
            )
        },
    )
    print(path.read_text(encoding="utf-8"))
