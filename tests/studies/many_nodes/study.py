"""Many nodes: eight nodes on one channel that destroys frames which overlap, with and without
slots, one or two gateways.

Real are every node's sender and outbox, and the host's receiver; time, channel and the host's store
are not. Each node has a clock of its own, which differs from the host's by up to DRIFT. Images come
at random intervals. Without slots a node speaks as soon as it has something to say, and tries
again, later and at random, when nobody answered. With slots it asks for one first, and the host
answers as host_decoder does: every newcomer gives all of them a new plan.
"""

from dataclasses import replace
from statistics import mean

from link.emulator.channel import Impairments, parse_loss
from link.output.results import write_result
from tests.studies.command import command
from tests.studies.many_nodes.channel import Scenario, simulate

LOSSY = Impairments(loss=parse_loss("mid"))
SCENARIOS = {
    "quiet": Scenario(interval_s=60.0),
    "usual": Scenario(interval_s=20.0),
    "busy": Scenario(interval_s=8.0),
    "lossy": Scenario(interval_s=20.0, impairments=LOSSY),
    "lossy_two_gateways": Scenario(interval_s=20.0, impairments=LOSSY, n_gateways=2),
}
SUMS = ("images", "chunks_given_twice", "answers_through_worse_gateway")
WITH_TWO = (
    "duplicates_per_image",
    "answers_through_second_gateway_share",
    "answers_through_worse_gateway",
)


def study(seeds: tuple[int, ...]) -> dict[str, float]:
    """Each scenario without and with slots: sums, the least share delivered, and means over the
    seeds.
    """
    result = {}
    for name, scenario in SCENARIOS.items():
        for has_slots in (False, True):
            runs = [
                simulate(replace(scenario, has_slots=has_slots, seed=seed)).figures()
                for seed in seeds
            ]
            for figure in runs[0]:
                values = [run[figure] for run in runs]
                merge = sum if figure in SUMS else min if figure == "delivered_share" else mean
                if scenario.n_gateways > 1 or figure not in WITH_TWO:
                    result[f"{name}_{'slots' if has_slots else 'free'}_{figure}"] = merge(values)
    return result


def main(_: object) -> None:
    seeds = (1, 2, 3)
    path = write_result(
        "link-many-nodes",
        study(seeds),
        command=command(),
        seeds=seeds,
        extra={
            "note": "8 nodes, 200 images of 20 bytes each, lora-sf7; free: no slots. Images, "
            "chunks "
            "given twice and "
            "answers through the worse gateway are sums over the seeds, shares delivered the "
            "least, others means",
            "scenarios": {
                name: f"one image per node in {one.interval_s:g} s"
                for name, one in SCENARIOS.items()
            },
        },
    )
    print(path.read_text(encoding="utf-8"))
