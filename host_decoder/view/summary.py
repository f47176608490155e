"""The summary: the table at the end of a run, and how its numbers read."""

from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

from host_decoder.view.tally import Tally

UNKNOWN = "–"


@dataclass(frozen=True)
class Title:
    """What does not change during a run."""

    bundle: str
    link: str
    node: str
    n_images: int | None = None
    "That will be captured; None: nobody knows."
    has_console: bool = True
    "Whether the node's own console tells pictures and truths; a listener hears packets alone."


def summary(
    title: Title, tally: Tally, first_label_s: float | None = None, is_interrupted: bool = False
) -> Table:
    """The table at the end of a run; what was still on its way when it was interrupted is not
    counted as wrong.
    """
    rows = [
        ("bundle", title.bundle),
        ("link", title.link),
        ("images answered / captured", f"{tally.n_answered} / {tally.n_captured or '?'}"),
        ("accuracy of the answered", percent(tally.figure("accuracy"))),
        ("accuracy of all captured", _of_captured(tally, is_interrupted)),
        ("bitstream per image", f"{number(tally.figure('bytes_per_image'))} bytes"),
        ("on the wire per image", f"{number(tally.figure('wire_bytes_per_image'))} bytes"),
        ("airtime per image", _optional(tally.figure("airtime_s_per_image"))),
        ("chunks sent again", f"{tally.total('repeated'):.0f}" if tally.n_captured else UNKNOWN),
        ("stopped by verdict", _decided(tally)),
        ("accuracy at the verdict", percent(tally.figure("accuracy_at_verdict"))),
        ("saved by verdicts per image", saved(tally)),
        ("link in use", percent(tally.link_use)),
        ("from capture to answer, median", _optional(tally.median_latency_s)),
        ("first label after", _optional(first_label_s)),
        ("refused", refused(tally)),
        *_team_rows(tally),
    ]
    table = Table(show_header=False)
    for name, value in rows:
        if title.has_console or value != UNKNOWN:
            table.add_row(Text(name, overflow="fold"), Text(value, overflow="fold"))
    return table


def _team_rows(tally: Tally) -> list[tuple[str, str]]:
    """Answers by how many were alive, and what the consoles say of a team."""
    rows = [
        (f"answers with {n_alive} alive", f"{_counted(n, 'image')}, {percent(accuracy)} right")
        for n_alive, n, accuracy in tally.by_alive()
    ]
    if (team := tally.team) is None:
        return rows
    p50, p99 = (team.overhead_ms_at(percent) for percent in (50, 99))
    unanswered = tally.n_captured - tally.n_answered
    return [
        *rows,
        ("unanswered", _counted(unanswered, "image")),
        ("members killed", _counted(team.n_kills, "time")),
        (
            "between members",
            f"{team.published_bytes / 1000:.1f} kB in {_counted(team.n_frames, 'frame')}",
        ),
        ("published by a member per image", f"{number(team.bytes_per_image)} bytes"),
        ("overhead, median / 99 %", f"{number(p50)} / {number(p99)} ms"),
    ]


def _counted(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


def _of_captured(tally: Tally, is_interrupted: bool) -> str:
    n_waiting = tally.total("with_truth") - tally.total("judged")
    if not is_interrupted or not n_waiting or tally.figure("accuracy_of_captured") is None:
        return percent(tally.figure("accuracy_of_captured"))
    return f"{percent(tally.figure('accuracy'))}, {n_waiting:.0f} that were on their way left out"


def _decided(tally: Tally) -> str:
    if tally.figure("chunks_at_verdict") is None:
        return "none"
    return (
        f"{tally.total('decided'):.0f} images, after {tally.figure('chunks_at_verdict'):.1f} chunks"
    )


def saved(tally: Tally) -> str:
    """Bytes and airtime that verdicts kept off the air, per image."""
    if not tally.total("stopped"):
        return UNKNOWN
    airtime = tally.figure("airtime_saved_s_per_image")
    n_bytes = number(tally.figure("bytes_saved_per_image"))
    share = f"{n_bytes} bytes ({percent(tally.figure('bytes_saved_share'))})"
    return share + ("" if airtime is None else f", {duration(airtime)}")


def _optional(seconds: float | None) -> str:
    return UNKNOWN if seconds is None else duration(seconds)


def refused(tally: Tally) -> str:
    return ", ".join(f"{n} {reason}" for reason, n in tally.rejected.most_common()) or "none"


def duration(seconds: float) -> str:
    return f"{1000 * seconds:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def about(seconds: float) -> str:
    """As long as it is worth telling, of what is only expected."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def percent(ratio: float | None) -> str:
    return UNKNOWN if ratio is None else f"{ratio:.1%}"


def number(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.1f}"
