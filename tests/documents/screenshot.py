"""Screenshot: docs/live.svg, the screen of a real run when two thirds of its images are there.

python -m tests.documents.screenshot
"""

import io
import re
import sys
import time
from pathlib import Path

from rich.console import Console

from host_decoder.interruption import Interruption
from host_decoder.live.options import LiveOptions
from host_decoder.live.run import LiveRun
from host_decoder.view.dashboard import Dashboard
from host_decoder.view.row import Row
from host_decoder.view.summary import Title
from host_decoder.view.tally import Tally

ROOT = Path(__file__).parent.parent.parent
BUNDLE = ROOT / "models" / "digits"
COLUMNS, LINES = 100, 24
N_IMAGES, AT = 60, 40


class Camera:
    """A screen that nobody sees, of which one moment is kept."""

    def __init__(self, title: Title) -> None:
        self._title = title
        self.picture: Console | None = None

    def __enter__(self) -> "Camera":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, tally: Tally, row: Row) -> None:
        if self.picture is None and tally.n_answered >= AT and row.is_right:
            self.picture = Console(
                record=True,
                file=io.StringIO(),
                width=COLUMNS,
                height=LINES,
                force_terminal=True,
                color_system="truecolor",
            )
            self.picture.print(Dashboard(self._title, tally, row, "", LINES))

    def notice(self, sentence: str) -> None:
        print(sentence, file=sys.stderr)

    def tick(self, tally: Tally) -> None:
        pass


def main() -> int:
    options = LiveOptions(
        bundle=BUNDLE, replay=BUNDLE / "replay.npz", link="rn2483-sf7", loss="mid", images=N_IMAGES
    )
    with Interruption() as interruption:
        run = LiveRun(options, time.monotonic(), interruption)
        with Camera(run.title) as screen:
            run.run(screen)
    if screen.picture is None:
        print("too few images came through", file=sys.stderr)
        return 1
    drawn = screen.picture.export_svg(title="latentlink live")
    without_fonts = re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL)  # they are fetched
    (ROOT / "docs" / "live.svg").write_text(without_fonts, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
