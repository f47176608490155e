"""Page: the report as one HTML file: sentences, tables and photos, nothing from elsewhere and no
program in it; light or dark as the reader's screen is.
"""

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

import numpy as np

from export.photo_report import advice, airtime
from export.photo_report.examination import Examination, Share
from export.photo_report.pictures import data_uri
from link.bundle import Bundle

N_WORST = 10
MOST_CLASSES = 40
"In the matrix; with more, the pairs say it."
N_PAIRS = 12
UNSHOWN = "\N{REPLACEMENT CHARACTER}"
STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
  background: Canvas; color: CanvasText; }
table { border-collapse: collapse; margin: 1rem 0; }
caption { text-align: left; font-weight: 600; padding-bottom: .3rem; }
th, td { padding: .15rem .6rem; text-align: right; border-bottom: 1px solid #8886; }
th[scope=row], thead th:first-child { text-align: left; }
.wide { overflow-x: auto; }
.matrix th, .matrix td { padding: .15rem .3rem; }
.matrix thead th + th { writing-mode: sideways-lr; text-align: left; vertical-align: bottom;
  font-weight: 400; white-space: nowrap; }
@supports not (writing-mode: sideways-lr) {
  .matrix thead th + th { writing-mode: vertical-rl; }
}
.photos { display: flex; flex-wrap: wrap; gap: 1rem; padding: 0; list-style: none; }
.photos li { width: 11rem; overflow-wrap: anywhere; }
.photos img { width: 11rem; height: 11rem; }
.bar { display: inline-block; height: .7rem; background: #3b7dd8; }
"""


def page(examined: Examination, bundle: Bundle, photos: Path | None) -> str:
    """Photos that are shown are read from that folder, or taken as the encoder sees them."""
    title = f"{_text(examined.data.name)}: what the model makes of your photos"
    parts = [
        *_head(examined),
        *_next(examined),
        *_classes(examined),
        *_confusion(examined),
        *_worst(examined, photos),
        *_curve(examined),
        *_costs(examined),
        f"<p>Bundle {bundle.id.hex()}. This page shows photos; it is not part of the bundle.</p>",
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{STYLE}</style></head>\n<body><main>\n<h1>{title}</h1>\n"
        + "\n".join(parts)
        + "\n</main></body></html>\n"
    )


def _head(examined: Examination) -> Iterator[str]:
    data, accuracy = examined.data, examined.accuracy
    yield (
        f"<p><strong>{_share(accuracy)}</strong> of {accuracy.n} test photos of "
        f"{len(data.classes)} classes are told right, through the int8 encoder, the coder and the "
        f"decoder, as a node and its host do it. {len(data.train)} photos were learned from. "
        f"Whoever only ever said “{_text(examined.by_class.largest.name)}” would be right for "
        f"{examined.by_class.largest_share:.0%}.</p>"
    )
    if (siblings := examined.siblings) is None:
        yield (
            "<p>Test and training photos were not split by series here, or came as splits. Where "
            "photos of one series are in both, this figure flatters.</p>"
        )
        return
    verdict = (
        "The first figure is what to expect of new things, days and places."
        if examined.gap_points
        else "So few photos do not tell whether new series are harder: believe the first figure."
    )
    yield (
        "<p>No test photo is of a series that was learned from. Of "
        f"{siblings.n} other photos, kept aside from series that were, {_share(siblings)} are told "
        f"right: so much a random split would have claimed. {verdict}</p>"
    )


def _next(examined: Examination) -> Iterator[str]:
    yield "<h2>What to photograph next</h2>"
    items = "".join(f"<li>{_text(one)}</li>" for one in advice.sentences(examined))
    yield f"<ol>{items}</ol>"


def _classes(examined: Examination) -> Iterator[str]:
    yield "<h2>Classes</h2>"
    if few := advice.few(examined):
        named = ", ".join(f"{_text(name)} {n}" for name, n in few)
        yield f"<p>Fewer than {advice.FEW_PHOTOS} photos to train on: {named}.</p>"
    rows = [
        (
            one.name,
            int(n_trained),
            one.n_images,
            "–" if not one.n_images else _share(Share(one.n_right, one.n_images)),
            one.n_said,
        )
        for one, n_trained in zip(examined.by_class.each, examined.n_trained, strict=True)
    ]
    yield _table(
        "Accuracy of each class; in brackets, where it lies with 95 % certainty",
        ("class", "photos to train on", "test photos", "right", "said so often"),
        rows,
    )


def _confusion(examined: Examination) -> Iterator[str]:
    yield "<h2>What is taken for what</h2>"
    classes, confusion = examined.data.classes, examined.confusion
    pairs = [
        f"<li>{_text(classes[true])} for {_text(classes[said])}: {n} of {confusion[true].sum()}"
        "</li>"
        for true, said, n in examined.pairs()[:N_PAIRS]
    ]
    yield f"<ul>{''.join(pairs)}</ul>" if pairs else "<p>Nothing, in the test photos.</p>"
    if len(classes) > MOST_CLASSES:
        return
    head = "".join(f'<th scope="col">{_text(name)}</th>' for name in classes)
    body = "".join(
        f'<tr><th scope="row">{_text(name)}</th>{"".join(_cells(confusion[label], label))}</tr>'
        for label, name in enumerate(classes)
    )
    yield (
        '<div class="wide"><table class="matrix"><caption>Confusion matrix: test photos of the '
        "class in the row that were taken for the class in the column</caption>"
        f'<thead><tr><th scope="col">true \\ said</th>{head}</tr></thead><tbody>{body}</tbody>'
        "</table></div>"
    )


def _cells(row: np.ndarray, label: int) -> Iterator[str]:
    for said, n in enumerate(row.tolist()):
        colour = "60, 160, 90" if said == label else "220, 80, 50"
        share = n / max(1, int(row.sum()))
        yield f'<td style="background: rgba({colour}, {share:.2f})">{n or ""}</td>'


def _worst(examined: Examination, photos: Path | None) -> Iterator[str]:
    worst = examined.worst(N_WORST)
    if not worst:
        return
    yield f"<h2>The {len(worst)} worst photos</h2>"
    yield (
        "<p>Wrong, and the surest of it first. Look whether a label is wrong, whether the thing is "
        "to be seen at all, and what these have in common.</p>"
    )
    data = examined.data
    items = []
    for index in worst:
        name = str(index) if data.test.names is None else str(data.test.names[index])
        true, said = (data.classes[int(x[index])] for x in (data.test.labels, examined.said))
        sure = examined.probabilities[index].max()
        words = f"is {true}, said {said}, {sure:.0%} sure"
        uri = data_uri(data.test.images[index], None if photos is None else photos / name)
        items.append(
            f'<li><img src="{uri}" alt="{_text(f"Photo {name}: {words}")}">'
            f"<br>{_text(words)}<br><small>{_text(name)}</small></li>"
        )
    yield f'<ul class="photos">{"".join(items)}</ul>'


def _curve(examined: Examination) -> Iterator[str]:
    yield "<h2>Learning curve</h2>"
    gain = advice.gain_of_twice(examined)
    network = (
        "with a network that has seen none of your photos. The encoder has learned from them, and "
        "is better"
        if examined.curve_is_unseen
        else "with the encoder as it is. That has seen all photos, so few look better here than "
        "they are"
    )
    yield (
        "<p>A decoder that learns from only so many photos of each class, "
        f"{network}; what counts is whether the curve still rises. Twice as many photos would "
        f"bring about {gain:.1f} points.</p>"
    )
    rows = [
        (
            f"all (about {point.n_photos})" if point.is_all else point.n_photos,
            f"{point.mean:.1%}",
            "" if point.is_all else f"{point.lowest:.1%} to {point.highest:.1%}",
        )
        for point in examined.curve
    ]
    bars = [
        f'<span class="bar" style="width: {10 * point.mean:.1f}rem"></span>'
        for point in examined.curve
    ]
    head = ("photos of each class", "accuracy", "of five draws")
    yield _table("Accuracy by number of photos", head, rows, bars)


def _costs(examined: Examination) -> Iterator[str]:
    yield "<h2>Bytes and airtime</h2>"
    n_bytes = examined.n_bytes
    mean_packet = np.mean([airtime.packet_bytes(int(n)) for n in n_bytes])
    yield (
        f"<p>An image is {n_bytes.mean():.1f} bytes on average, {n_bytes.max()} at most; in a "
        f"sealed packet of its own {mean_packet:.1f}. So many answers a node may send in an hour, "
        "if all its airtime goes into them; several images in one packet are more. Not legal "
        "advice: who transmits is answerable for it.</p>"
    )
    rows = [
        (
            row.place,
            f"SF{row.spreading_factor}",
            f"{1000 * row.airtime_s:.0f} ms",
            f"{int(row.answers_per_hour):,}",
        )
        for row in airtime.rows(n_bytes.tolist())
    ]
    head = ("region", "spreading factor", "airtime of an answer", "answers an hour")
    yield _table("Airtime by region and spreading factor, 125 kHz", head, rows)


def _table(
    caption: str,
    head: Sequence[str],
    rows: Sequence[Sequence[object]],
    drawn: Sequence[str] = (),
) -> str:
    """The first cell of a row names it; `drawn` is one more cell for each, as HTML."""
    drawn = drawn or [""] * len(rows)
    titles = "".join(f'<th scope="col">{_text(one)}</th>' for one in head)
    body = "".join(
        f'<tr><th scope="row">{_text(first)}</th>'
        + "".join(f"<td>{_text(cell)}</td>" for cell in cells)
        + (f'<td style="text-align: left">{more}</td>' if more else "")
        + "</tr>"
        for (first, *cells), more in zip(rows, drawn, strict=True)
    )
    return (
        f'<div class="wide"><table><caption>{_text(caption)}</caption><thead><tr>{titles}</tr>'
        f"</thead><tbody>{body}</tbody></table></div>"
    )


def _share(share: Share) -> str:
    low, high = share.interval
    return f"{share.value:.1%} ({low:.0%} to {high:.0%})"


def _text(said: object) -> str:
    """As HTML; what no screen shows, or turns the line around, is a question mark."""
    return escape("".join(each if each.isprintable() else UNSHOWN for each in str(said)))
