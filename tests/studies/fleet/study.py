"""Fleet: what one host, and several, take in, and what is left when they are killed; with real
processes.

Each part adds its figures to results/fleet.json: `--part sqlite` is one process with SQLite,
`--part redecode` a later decoder over everything that is stored, `--part wall` the page of a
thousand nodes in a browser, while 199 others look on, `--part history` what pages ask of a month of
results, in a file and, as `--part history-server`, at PostgreSQL; `--part fleet` eight sites of 125
nodes with two workers, `--part kills` a fleet whose parts are killed in turn.
"""

import argparse
import json
import os
import tempfile
from pathlib import Path

from link.bundle.bundle import Bundle
from link.output.results import FOLDER, write_result
from tests.studies.command import command
from tests.studies.fleet.fleet_part import RATE, fleet_killed, fleet_throughput
from tests.studies.fleet.history_part import history
from tests.studies.fleet.redecode_part import redecoded
from tests.studies.fleet.sqlite_part import killed, throughput
from tests.studies.fleet.wall_part import wall
from tests.worlds.postgres import postgres_server

STUDY = "fleet"
PARTS = ("sqlite", "redecode", "wall", "history", "history-server", "fleet", "kills")
WALL_NODES, WALL_RESULTS_PER_S = 1000, 200.0
N_VIEWERS = 200
N_ASKED, SERVER_SITES = 30, 4


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("--part", choices=PARTS, required=True)
    made.add_argument("--bundle", type=Path, default=Path("models/digits"))
    made.add_argument("--seconds", type=float, default=30.0, help="of load")
    made.add_argument(
        "--rate", type=float, default=RATE, help="images a second that a fleet's nodes offer"
    )
    made.add_argument("--kills", type=int, default=20)
    made.add_argument("--images", type=int, default=200_000, help="to decode again")
    made.add_argument("--stored", type=int, default=10_000_000, help="results of a month")
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--results", type=Path, default=FOLDER)
    return made


def main(options: argparse.Namespace) -> None:
    bundle = Bundle.load(options.bundle, side="host")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.part == "sqlite":
            figures = throughput(_made(folder / "load"), bundle, options.seconds)
            figures |= killed(_made(folder / "kills"), bundle, options.kills, options.seed)
            figures = {_of_sqlite(name): one for name, one in figures.items()}
        elif options.part == "fleet":
            figures = fleet_throughput(folder / "fleet", bundle, options.seconds, options.rate)
        elif options.part == "kills":
            figures = fleet_killed(folder / "fleet", bundle, options.kills, options.seed)
        elif options.part == "wall":
            figures = wall(
                folder,
                bundle,
                WALL_NODES,
                WALL_RESULTS_PER_S,
                options.seconds,
                options.seed,
                N_VIEWERS - 1,
            )
        elif options.part == "history":
            figures = history(folder / "host.sqlite", options.stored, 1, N_ASKED, options.seed)
        elif options.part == "history-server":
            with postgres_server() as server:
                place = server.new_database()
                figures = history(place, options.stored, SERVER_SITES, N_ASKED, options.seed)
            figures = {name.replace("history", "history_server"): n for name, n in figures.items()}
        else:
            figures = redecoded(folder, bundle, options.images)
    add_figures(figures, options)


def add_figures(figures: dict[str, float], options: argparse.Namespace) -> None:
    """To those of other parts, which stay; with how many programs wanted the processors."""
    path = options.results / f"{STUDY}.json"
    before = json.loads(path.read_text()) if path.is_file() else {}
    parts = {**before.get("parts", {}), options.part: command()}
    load = {**before.get("load", {}), options.part: round(os.getloadavg()[0], 1)}
    written = write_result(
        STUDY,
        {**before.get("figures", {}), **{name: round(one, 3) for name, one in figures.items()}},
        command="; ".join(parts.values()),
        seeds=[options.seed],
        extra={"parts": parts, "load": load},
        folder=options.results,
    )
    print(json.dumps(figures, indent=1))
    print(f"figures are in {written}")


def _of_sqlite(name: str) -> str:
    """Names without it are a fleet's."""
    return name if name.startswith("sqlite_") else f"sqlite_{name}"


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
