"""Runner: `python -m tests.studies` lists the studies, their options, and which results are here;
`python -m tests.studies NAME [options]` runs one.
"""

import argparse
import json
import re
import sys
from pathlib import Path

from host_training.memory import keep_freed
from link.output import forget_output, program
from tests.studies import catalogue
from tests.studies.catalogue import STUDIES, about
from tests.studies.command import MistakeError

CHOICES, SEVERAL = re.compile(r"\{[^}]{60,}\}"), re.compile(r" \[\S+ \.\.\.\]")


def parser(study: str) -> argparse.ArgumentParser:
    made = getattr(catalogue.module(study), "parser", argparse.ArgumentParser)()
    prog = program.Parser(prog="python -m tests.studies").prog
    made.prog = prog if prog.endswith(f" {study}") else f"{prog} {study}"
    made.description = "\n\n".join(about(study))
    made.formatter_class = argparse.RawDescriptionHelpFormatter
    return made


def state(paths: list[Path]) -> str:
    return "; ".join(map(described, paths)) or "no result here yet"


def described(path: Path) -> str:
    if path.suffix != ".json":
        return str(path)
    return f"{path}, revision {json.loads(path.read_text(encoding='utf-8'))['commit'][:12]}"


def show_all() -> None:
    for study in STUDIES:
        print(f"{study:12} {about(study)[0]}", flush=True)  # what it imports may take seconds
        usage = " ".join(parser(study).format_usage().split()).removeprefix("usage: ")
        usage = SEVERAL.sub(" …", CHOICES.sub("{…}", usage)).replace(" [-h]", "")
        print(f"{'':12} {usage}")
        print(f"{'':12} {state(catalogue.written(study))}")


def main() -> int:
    if len(sys.argv) == 1:
        try:
            show_all()
            sys.stdout.flush()
        except BrokenPipeError:  # whoever read our lines has had enough
            forget_output()
        return 0
    top = program.Parser(prog="python -m tests.studies")
    top.add_argument("study", choices=STUDIES, metavar="NAME", help=", ".join(STUDIES))
    study = top.parse_args(sys.argv[1:2]).study
    own = parser(study)
    options = own.parse_args(sys.argv[2:])
    keep_freed()
    try:
        return catalogue.module(study).main(options) or 0
    except MistakeError as error:
        own.error(str(error))


if __name__ == "__main__":
    sys.exit(main())
