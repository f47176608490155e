"""Comparison: two decoders on the same images: where they agree, and examples of where not."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, func, select

from host_decoder.store.database.access import Database, rows
from host_decoder.store.database.schema import LABELS, NODES, RESULTS, SITES

EXAMPLES = 100


@dataclass(frozen=True)
class Comparison:
    """Images of which both have said something."""

    confusion: list[tuple[str, str, int]]
    "Label by the one, label by the other, and how often; the most frequent first."
    examples: list[dict[str, Any]]
    "Images that they see differently, the surest first: site, node, image, sender, a, b."

    @property
    def n_images(self) -> int:
        return sum(n for _, _, n in self.confusion)

    @property
    def n_changed(self) -> int:
        return sum(n for a, b, n in self.confusion if a != b)


def compare(database: Database, a: int | None, b: int, n_examples: int = EXAMPLES) -> Comparison:
    """Decoder a against decoder b, by their numbers; a None: what was told when images came."""
    one, other = RESULTS.alias("one"), RESULTS.alias("other")
    label_a, label_b = LABELS.alias("label_a"), LABELS.alias("label_b")
    is_a: ColumnElement[bool] = one.c.is_live if a is None else one.c.decoder_id == a
    both = (
        other.join(
            one,
            and_(
                one.c.sender == other.c.sender,
                one.c.image == other.c.image,
                one.c.is_latest,
                is_a,
            ),
        )
        .join(label_a, label_a.c.id == one.c.label_id)
        .join(label_b, label_b.c.id == other.c.label_id)
    )
    is_b = and_(other.c.decoder_id == b, other.c.is_latest)
    n = func.count().label("n")
    names = label_a.c.name.label("a"), label_b.c.name.label("b")
    counted = select(*names, n).select_from(both).where(is_b).group_by(*names).order_by(n.desc())
    changed = (
        select(
            SITES.c.name.label("site"),
            NODES.c.number.label("node"),
            other.c.image,
            other.c.sender,
            *names,
            other.c.confidence,
        )
        .select_from(both.join(NODES, NODES.c.id == other.c.node_id).join(SITES))
        .where(is_b, one.c.label_id != other.c.label_id)
        .order_by(other.c.confidence.desc().nulls_last(), other.c.received_s.desc())
        .limit(n_examples)
    )
    return Comparison(
        [(row["a"], row["b"], row["n"]) for row in rows(database, counted)],
        rows(database, changed),
    )
