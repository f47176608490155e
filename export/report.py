"""Report: what an export measured, as report.json for programs and report.md for people.

Everything here may differ from one run to the next (latency does); what goes into the manifest may
not.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from export.decoders import anomaly
from export.deployment import Deployed
from export.encoder.operators import Operator
from export.measure import Accuracies, Agreement, Cost, Latency
from export.partition.chain import NOBODY
from export.partition.worth import Worth
from host_training.training.class_accuracy import ClassAccuracies, percent
from link.bundle.manifest import Provenance


@dataclass(frozen=True)
class ExportReport:
    """One export, measured."""

    study: str
    "Name of its results file."
    title: str
    deployed: Deployed
    accuracies: Accuracies
    by_class: ClassAccuracies
    "The int8 encoder's, decoded from coded bytes."
    validation_accuracies: tuple[float, float]
    "Before and after fine-tuning the decoder, int8 encoder."
    agreements: dict[str, Agreement]
    cost: Cost
    file_bytes: dict[str, int]
    latency: Latency
    operators: Sequence[Operator]
    edge_tpu_compiler: str | None
    provenance: Provenance
    machine: dict[str, Any]
    team: Worth | None = None

    def figures(self) -> dict[str, float]:
        """For results/export-….json."""
        return {
            "float_accuracy": self.accuracies.best_float,
            "int8_accuracy": self.accuracies.through_coder,
            "int8_drop_points": self.accuracies.drop_points,
            "encoder_macs": self.cost.macs,
            "encoder_parameters": self.cost.parameters,
            "encoder_bytes": sum(
                size for name, size in self.file_bytes.items() if name.endswith(".tflite")
            ),
            "encoder_ms": self.latency.median,
            "static_bits_per_image": self.deployed.rates.static_bits,
            "mixture_bits_per_image": self.deployed.rates.mixture_bits,
            "bytes_per_image": self.deployed.rates.coded_bytes,
            "coder_overhead_bits": self.deployed.rates.coder_overhead_bits,
            **(self.team.figures() if self.team else {}),
        }

    def to_dict(self) -> dict[str, Any]:
        fitted = self.deployed.calibration
        return {
            "title": self.title,
            "images": len(self.deployed.data.test),
            "latents": self.deployed.n_latents,
            "accuracy": asdict(self.accuracies) | {"drop_points": self.accuracies.drop_points},
            "by_class": self.by_class.to_dict(),
            "validation_accuracy": dict(
                zip(("before", "after"), self.validation_accuracies, strict=True)
            ),
            "calibration": fitted and fitted.calibration.to_dict() | fitted.fitted_on(),
            "anomaly": self.deployed.anomaly.figures()
            | {"threshold": self.deployed.anomaly.threshold},
            "agreement": {pair: asdict(agreement) for pair, agreement in self.agreements.items()},
            "rate": asdict(self.deployed.rates),
            "tables": [candidate.to_dict() for candidate in self.deployed.tables.candidates],
            "chosen_tables": self.deployed.tables.chosen.to_dict(),
            "encoder": asdict(self.cost) | {"ms": asdict(self.latency), "threads": 1},
            "file_bytes": self.file_bytes,
            "operators": [asdict(operator) for operator in self.operators],
            "edge_tpu_compiler": self.edge_tpu_compiler,
            "provenance": self.provenance.to_json(),
            "machine": self.machine,
            **({"team": self.team.to_dict()} if self.team else {}),
        }

    def write(self, folder: Path) -> None:
        text = json.dumps(self.to_dict(), indent=1, ensure_ascii=False, allow_nan=False)
        (folder / "report.json").write_text(text + "\n", encoding="utf-8")
        (folder / "report.md").write_text(self.to_markdown(), encoding="utf-8")

    def to_markdown(self) -> str:
        sections = [
            f"# {self.title}",
            *self._accuracy(),
            *self._classes(),
            *self._agreement(),
            "## Confidence",
            f"By the known symbols: {self.deployed.confidence}.",
            anomaly_section(self.deployed.anomaly),
            *self._bytes(),
            *(team_sections(self.team) if self.team else ()),
            *self._encoder(),
            *self._operators(),
            "## Where it comes from",
            markdown_table(
                ("what", "value"),
                [(key, f"`{value}`") for key, value in _flat(self.provenance.to_json()).items()],
            ),
        ]
        return "\n\n".join(sections) + "\n"

    def _accuracy(self) -> list[str]:
        accuracy = self.accuracies
        stages = {
            "float encoder, decoder as trained, all latents, one look": accuracy.float_all_latents,
            f"float encoder, decoder as trained, {self.deployed.n_latents} latents": (
                accuracy.float_original_decoder
            ),
            "float encoder, fine-tuned decoder": accuracy.float_fine_tuned_decoder,
            "int8 encoder, decoder as trained": accuracy.int8_original_decoder,
            "int8 encoder, fine-tuned decoder": accuracy.int8_fine_tuned_decoder,
            "the same, decoded from coded bytes": accuracy.through_coder,
        }
        return [
            (
                f"Test split, {len(self.deployed.data.test):,} images: "
                f"{accuracy.through_coder:.2%} from {self.deployed.rates.coded_bytes:.2f} bytes "
                f"each; with the float encoder {accuracy.best_float:.2%}."
            ),
            markdown_table(
                ("stage", "accuracy"), [(name, f"{value:.2%}") for name, value in stages.items()]
            ),
        ]

    def _classes(self) -> list[str]:
        return [
            "## Classes",
            _classes_sentence(self.by_class),
            markdown_table(
                ("class", "test images", "accuracy", "said"),
                [
                    (one.name, one.n_images, percent(one.accuracy), one.n_said)
                    for one in self.by_class.each
                ],
            ),
        ]

    def _agreement(self) -> list[str]:
        return [
            "## Do the encoders agree?",
            markdown_table(
                ("symbols of", "equal", "within ±1", "whole images equal"),
                [
                    (pair, f"{share.equal:.2%}", f"{share.within_one:.2%}", f"{share.images:.1%}")
                    for pair, share in self.agreements.items()
                ],
            ),
        ]

    def _bytes(self) -> list[str]:
        rates = self.deployed.rates
        percentiles = ", ".join(
            f"{name} {value:.0f}" for name, value in rates.coded_bytes_percentiles.items()
        )
        return [
            "## Bytes per image",
            (
                f"{rates.coded_bytes:.2f} bytes on average ({percentiles}), "
                f"{rates.coder_overhead_bits:.2f} bits above the tables' ideal. On the same "
                f"symbols, static histograms need {rates.static_bits:.1f} bits, the mixture "
                f"{rates.mixture_bits:.1f}: {rates.mixture_bits / rates.static_bits:.0%}."
            ),
            "Bits on the validation split, where the tables are chosen:",
            markdown_table(
                ("components", "mirror images too", "bits per image", "chosen"),
                [
                    (
                        one.n_components,
                        "yes" if one.mirrored else "no",
                        f"{one.validation_bits:.2f}",
                        "●" if one is self.deployed.tables.chosen else "",
                    )
                    for one in self.deployed.tables.candidates
                ],
            ),
        ]

    def _encoder(self) -> list[str]:
        return [
            "## Encoder",
            (
                f"{self.cost.macs:,} multiply-accumulates, {self.cost.parameters:,} parameters. "
                f"One thread of {self.machine['cpu']}: {self.latency.median:.3f} ms an image "
                f"(fastest {self.latency.minimum:.3f})."
            ),
            markdown_table(
                ("file", "bytes"), [(name, f"{size:,}") for name, size in self.file_bytes.items()]
            ),
        ]

    def _operators(self) -> list[str]:
        return [
            "## Operators and the Edge TPU",
            markdown_table(
                ("#", "operator", "types", "Edge TPU"),
                [
                    (i, operator.name, ", ".join(operator.tensor_types), operator.obstacle or "yes")
                    for i, operator in enumerate(self.operators)
                ],
            ),
            _compiler_section(self.edge_tpu_compiler),
        ]


def _classes_sentence(by_class: ClassAccuracies) -> str:
    never = f" It never says {', '.join(by_class.never_said)}." if by_class.never_said else ""
    return (
        f"Mean over the classes: {by_class.mean:.2%}. Whoever only ever said "
        f"'{by_class.largest.name}' would be right for {by_class.largest_share:.2%} of the "
        f"images.{never}"
    )


def _flat(nested: dict[str, Any]) -> dict[str, Any]:
    """One level of dictionaries inside a dictionary, laid out beside the rest."""
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        flat |= value if isinstance(value, dict) else {key: value}
    return flat


def anomaly_section(fitted: anomaly.Fitted) -> str:
    """What the score for images of none of the classes is worth, and where it is weak."""
    unseen = {kind: f"{share:.0%}" for kind, share in fitted.caught_unseen.items()}
    rows = [(kind, f"{share:.0%}", unseen.get(kind, "")) for kind, share in fitted.caught.items()]
    weak = f"It is weak for these: {', '.join(fitted.weak_kinds)}. " if fitted.weak_kinds else ""
    return "\n\n".join(
        [
            "## None of these",
            f"An image whose score is above {fitted.threshold:.2f} is said to show none of the "
            f"classes. By mistake that is said of {fitted.false_alarms:.1%} of the test split; the "
            f"threshold comes from {fitted.n_images} validation images. Of drawn pictures of no "
            "class:",
            markdown_table(("picture", "told", "by a score that learned without its like"), rows),
            weak
            + (
                "Photographs of other things, which are like the classes, are harder than any of "
                "these."
            ),
        ]
    )


def team_sections(team: Worth) -> list[str]:
    """What a node of a team costs and publishes, and what the team is worth when some are dead."""
    node, alive = team.node, team.accuracies[NOBODY]
    rows = [("none", f"{alive:.2%}", "")] + [
        (str(n_dead), f"{found[0]:.2%} ({100 * (found[0] - alive):+.2f})", f"{found[1]:.2%}")
        for n_dead in sorted({1, 2, len(team.parts[0]) - 1})
        if (found := team.with_dead(n_dead))
    ]
    few_dead = [dead for dead in team.accuracies if len(dead) <= 2]
    worst = sorted(few_dead, key=lambda dead: team.accuracies[dead])[:5]
    named = [f"{sorted(dead) or 'nobody'} {team.accuracies[dead]:.2%}" for dead in worst]
    return [
        "## Team",
        f"A node computes {node.macs:,} multiply-accumulates with {node.parameters:,} weights: "
        f"files of {node.file_bytes:,} bytes and a tensor arena of {node.arena_bytes:,}. It "
        f"publishes {team.coded_bytes:.0f} bytes an image where they are range-coded (the tables' "
        f"ideal), {team.nibble_bytes:.0f} as nibbles, without headers and tags. Uplink: "
        f"{team.uplink_bytes:.2f} bytes an image, {team.uplink_bytes_one_dead:.2f} with one dead.",
        f"By who is dead, {team.n_images:,} test images:",
        markdown_table(("dead", "mean over all sets", "worst"), rows),
        f"Hardest to do without: {'; '.join(named)}.",
    ]


def _compiler_section(log: str | None) -> str:
    if log is None:
        return (
            "By Coral's published list; `edgetpu_compiler` is not installed here, so no compiler "
            "has confirmed it."
        )
    return f"`edgetpu_compiler` says:\n\n```\n{log}\n```"


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
