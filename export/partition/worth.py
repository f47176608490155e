"""Worth of a team: what each node costs and publishes, and what is left when some are dead."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from export.deployment import Deployed
from export.encoder.model_file import builtin_operator, read_model
from export.encoder.symbols import clamped
from export.measure import Cost, Latency, accuracy, latency_ms, through_coder
from export.partition.chain import NOBODY, Chain, Dead
from export.partition.deaths import dead_sets
from link.bundle.manifest import BOUNDARIES, TeamEntry, part_file

N_IMAGES_WITH_DEATHS = 10_000
"Test images that every dead set is measured on."
N_IMAGES_CODED = 300
"Those of each single death that go through the coder."
N_IMAGES_PUBLISHED = 200


@dataclass(frozen=True)
class Node:
    """One member that computes a group, the costliest one."""

    macs: int
    parameters: int
    file_bytes: int
    arena_bytes: int
    "Largest maps that two neighbouring operators hold, of its largest part."
    latency: Latency
    "Its parts one after another."


@dataclass(frozen=True)
class Worth:
    """A team, measured on the test split."""

    node: Node
    parts: tuple[tuple[Cost, ...], ...]
    "By segment and group."
    nibble_bytes: float
    "Published by a node and image, two symbols a byte or zeros left out, whichever is shorter."
    coded_bytes: float
    "The same range-coded, by the tables' ideal."
    uplink_bytes: float
    uplink_bytes_one_dead: float
    n_images: int
    accuracies: Mapping[Dead, float]
    "Share 0…1 by who is dead."

    def with_dead(self, n_dead: int) -> tuple[float, float] | None:
        """Mean and worst accuracy over the sets of so many; None: there are none."""
        found = [one for dead, one in self.accuracies.items() if len(dead) == n_dead]
        return (float(np.mean(found)), min(found)) if found else None

    def figures(self) -> dict[str, float]:
        """For results/export-….json."""
        named: dict[str, float] = {
            "macs_per_node": self.node.macs,
            "weights_per_node": self.node.parameters,
            "bytes_per_node": self.node.file_bytes + self.node.arena_bytes,
            "published_bytes_per_node": self.coded_bytes,
            "published_nibble_bytes_per_node": self.nibble_bytes,
            "uplink_bytes": self.uplink_bytes,
            "uplink_bytes_one_dead": self.uplink_bytes_one_dead,
            "accuracy_all_alive": self.accuracies[NOBODY],
        }
        for n_dead, word in ((1, "one"), (2, "two")):
            if found := self.with_dead(n_dead):
                named[f"accuracy_{word}_dead_mean"], named[f"accuracy_{word}_dead_worst"] = found
        if found := self.with_dead(len(self.parts[0]) - 1):
            named["accuracy_one_alive_mean"], named["accuracy_one_alive_worst"] = found
        return named

    def to_dict(self) -> dict[str, Any]:
        """For report.json."""
        return self.figures() | {
            "images": self.n_images,
            "node": asdict(self.node),
            "parts": [[asdict(cost) for cost in segment] for segment in self.parts],
            "accuracy_of_dead_sets": {
                " ".join(map(str, sorted(dead))): one for dead, one in self.accuracies.items()
            },
        }

    def describe(self) -> str:
        """One line."""
        lost = [
            f"{n_dead} dead {found[0]:.2%}, worst {found[1]:.2%}"
            for n_dead in (1, 2)
            if (found := self.with_dead(n_dead))
        ]
        return (
            f"{self.node.macs:,} MACs, {self.node.parameters:,} weights a node; all alive "
            f"{self.accuracies[NOBODY]:.2%} of {self.n_images:,} images, {', '.join(lost)}"
        )


def worth_of(deployed: Deployed, entry: TeamEntry, n_images: int = N_IMAGES_WITH_DEATHS) -> Worth:
    """Measure a team whose decoder and tables are in the folder, on so many test images."""
    chain = deployed.encode
    assert isinstance(chain, Chain)
    n_groups, tables, test = entry.groups, deployed.tables.chosen.tables, deployed.data.test
    images, labels = test.images[:n_images], test.labels[:n_images]
    sets = [dead for n_dead in {0, 1, 2, n_groups - 1} for dead in dead_sets(n_groups, n_dead)]
    symbols = chain.of_dead_sets(images, sets)
    one_dead = [through_coder(symbols[d][:N_IMAGES_CODED], tables) for d in sets if len(d) == 1]
    nibble_bytes, coded_bytes = published(
        chain.boundaries(images[:N_IMAGES_PUBLISHED]),
        np.load(deployed.folder / BOUNDARIES, allow_pickle=False),
    )
    parts = costs(deployed.folder, entry)
    return Worth(
        node=_costliest(deployed, parts),
        parts=parts,
        nibble_bytes=nibble_bytes,
        coded_bytes=coded_bytes,
        uplink_bytes=deployed.coded.mean_bytes,
        uplink_bytes_one_dead=float(np.mean([coded.mean_bytes for coded in one_dead])),
        n_images=len(images),
        accuracies={
            dead: accuracy(deployed.classify(clamped(made, tables)), labels)
            for dead, made in symbols.items()
        },
    )


def costs(folder: Path, entry: TeamEntry) -> tuple[tuple[Cost, ...], ...]:
    """Each part in a folder, by segment and group; weights that are 0 count, as they are
    computed.
    """
    return tuple(
        tuple(part_cost(folder / part_file(place, group)) for group in range(entry.groups))
        for place in range(len(entry.cut))
    )


def part_cost(path: Path) -> Cost:
    """Multiply-accumulates and weights of a part's convolutions."""
    model = read_model(path)
    graph, macs, parameters = model.subgraphs[0], 0, 0
    for operator in graph.operators:
        if builtin_operator(model, operator) == schema.BuiltinOperator.CONV_2D:
            _, weight, bias = (graph.tensors[index].shape for index in operator.inputs)
            made = graph.tensors[operator.outputs[0]].shape
            macs += int(np.prod(made) * np.prod(weight[1:]))
            parameters += int(np.prod(weight) + np.prod(bias))
    return Cost(macs, parameters)


def _costliest(deployed: Deployed, parts: Sequence[Sequence[Cost]]) -> Node:
    nodes = []
    for group in range(len(parts[0])):
        paths = [deployed.folder / part_file(place, group) for place in range(len(parts))]
        nodes.append(
            Node(
                macs=sum(segment[group].macs for segment in parts),
                parameters=sum(segment[group].parameters for segment in parts),
                file_bytes=sum(path.stat().st_size for path in paths),
                arena_bytes=max(map(arena_bytes, paths)),
                latency=_total(latency_ms(path) for path in paths),
            )
        )
    return max(nodes, key=lambda node: (node.macs, node.file_bytes))


def _total(each: Iterable[Latency]) -> Latency:
    found = list(each)
    return Latency(sum(one.minimum for one in found), sum(one.median for one in found))


def arena_bytes(path: Path) -> int:
    """The most that an operator's input and output take together; parts have no branches."""
    model = read_model(path)
    graph = model.subgraphs[0]

    def size(index: int) -> int:
        return int(np.prod(graph.tensors[index].shape))

    return max(size(each.inputs[0]) + size(each.outputs[0]) for each in graph.operators)


def published(
    crossing: Sequence[np.ndarray], frequencies: Mapping[str, np.ndarray]
) -> tuple[float, float]:
    """Mean bytes that a node publishes of an image: as nibbles, and range-coded at the tables'
    ideal; crossing: symbols uint8 (groups, N, h, w, c) by boundary.
    """
    nibbles = coded = 0.0
    for place, symbols in enumerate(crossing):
        flat = symbols.reshape(symbols.shape[0] * symbols.shape[1], -1)
        n = flat.shape[1]
        present = (flat != 0).sum(1)
        nibbles += float(np.minimum(-(-n // 2), -(-n // 8) + -(-present // 2)).mean())
        rows = frequencies[f"segment_{place}"].astype(np.float64)
        bits = np.log2(rows.sum(1, keepdims=True) / rows)
        channels = np.arange(n) % symbols.shape[-1]
        coded += float(bits[channels, flat].sum(1).mean()) / 8
    return nibbles, coded
