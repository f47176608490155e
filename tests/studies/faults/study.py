"""Faults: what people, attackers and hard luck do to the product, in figures.

Each part is a module of this package that measures; what it finds goes into results/faults.json
beside what the others found, so that a part can be measured alone. Timings want a quiet machine.

    flood           genuine images while strangers send frames in a node's name, by serial line and
                    UDP
    dead_gateway    answers of a good gateway beside a dead one
    pictures        mutated picture files, through node and training
    adversary       forgeries, recordings kept for weeks, one-way links, a neighbour with the same
                    number
    situations      what people of this field ran into: the tests that show each
    bare_machine    all tests on a machine without any outside program
    none_of_these   photographs of things that a released bundle does not know (DATA_DIR: both
                    CIFARs)
"""

import argparse
import importlib
import json

from link.output.results import FOLDER, commit, write_result

STUDY = "faults"
PARTS = (
    "flood",
    "dead_gateway",
    "pictures",
    "adversary",
    "situations",
    "bare_machine",
    "none_of_these",
)


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser()
    top.add_argument("parts", nargs="*", choices=[*PARTS, []], help="default: all")
    return top


def main(options: argparse.Namespace) -> None:
    for part in options.parts or PARTS:
        measured = importlib.import_module(f"tests.studies.faults.{part}").measure()
        print(
            f"{part:14}",
            ", ".join(f"{name} {value:g}" for name, value in measured.items()),
            flush=True,
        )
        path = FOLDER / f"{STUDY}.json"
        kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        figures, commits = (kept.get(key, {}) for key in ("figures", "commits"))
        extra = {"commits": commits | {part: commit()}}
        write_result(
            STUDY, figures | measured, command="python -m tests.studies faults", extra=extra
        )
