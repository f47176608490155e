"""Command line: what every program takes, asked of the program itself, before it does anything."""

import argparse
import contextlib
import importlib
import io
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from unittest.mock import patch

import export.commands
from latentlink.commands import COMMANDS, Command
from latentlink.variables import ALWAYS, TARGETS, VARIABLES
from link.output import program
from tests.documents.markdown import table

ROOT = Path(__file__).parent.parent.parent
OWN_PAGES = {
    "make": "`make` and its variables stand above.",
    "studies": "`latentlink studies` lists them.",
}
"Commands that are no parser of options."
DISPATCHED = {
    "export": [name for name in export.commands.COMMANDS if name not in ("export", *COMMANDS)],
    "learn": ["shard"],
}
"Subcommands that a program tells apart by its first word, before any parser."


class Parsed(Exception):  # noqa: N818 (nothing is wrong)
    """A program has understood its command line, and would begin now."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        super().__init__()
        self.parser = parser


def understood(module: str, words: Sequence[str], name: str) -> argparse.ArgumentParser:
    """The parser that takes these words; ValueError with what the program says when it does not."""
    given = argparse.ArgumentParser.parse_args

    def parse(parser: argparse.ArgumentParser, *arguments: object, **more: object) -> object:
        namespace = given(parser, *arguments, **more)  # type: ignore[call-overload]
        if module.startswith("tests.studies") and list(vars(namespace)) == ["study"]:
            return namespace  # the first of two parsers
        raise Parsed(parser)

    said = io.StringIO()
    with (
        patch.object(sys, "argv", [name, *words]),
        patch.object(argparse.ArgumentParser, "parse_args", parse),
        contextlib.redirect_stderr(said),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        try:
            importlib.import_module(module).main()
        except Parsed as parsed:
            return parsed.parser
        except SystemExit as end:
            if not end.code:
                raise ValueError("it only shows its help") from None
    raise ValueError(" ".join(said.getvalue().split()) or "it takes no options")


def parser_of(name: str, words: Sequence[str] = ()) -> argparse.ArgumentParser:
    """The parser of a command of `latentlink`, whatever it must be given."""
    command = COMMANDS[name]

    def parse(parser: argparse.ArgumentParser, *arguments: object, **more: object) -> object:
        if any(one.dest == "study" and not one.option_strings for one in parser._actions):
            return argparse.Namespace(study=words[0])  # the first of two parsers
        raise Parsed(parser)

    words = words_for(command, words)
    with (
        patch.object(sys, "argv", [f"{program.NAME} {name}", *words]),
        patch.object(argparse.ArgumentParser, "parse_args", parse),
    ):
        try:
            importlib.import_module(command.module).main()
        except Parsed as parsed:
            parser = parsed.parser
        else:
            raise ValueError(f"{name} has no parser")
    for word in words:
        parser = dict(_subparsers(parser)).get(word, parser)
    return parser


def words_for(command: Command, words: Sequence[str]) -> list[str]:
    """What its program is given for what a person types behind its name."""
    return list(words) if words and words[0] in command.verbs else [*command.words, *words]


def _subparsers(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.items()


def _sections(name: str) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """A command and its subcommands, each with its parser."""
    parser = parser_of(name)
    inner = dict(_subparsers(parser))
    if not inner:
        yield name, parser
    for word, one in inner.items():
        yield f"{name} {word}", one
    for word in (*DISPATCHED.get(name, ()), *COMMANDS[name].verbs):
        yield f"{name} {word}", parser_of(name, [word])


def _options(parser: argparse.ArgumentParser) -> list[tuple[str, ...]]:
    return [
        (_shown(action), _meaning(action))
        for action in parser._actions
        if not isinstance(action, argparse._HelpAction | argparse._SubParsersAction)
    ]


def _shown(action: argparse.Action) -> str:
    """As it is typed: its name and what stands for a value."""
    choices = "|".join(map(str, action.choices or ()))
    choices = choices if len(choices) <= 50 else f"{choices.partition('|')[0]}|…"
    value = action.metavar or choices or (action.dest.upper() if action.option_strings else "")
    if isinstance(value, tuple):
        value = " ".join(value)
    names = ", ".join(action.option_strings)
    value = "" if action.nargs == 0 else str(value or action.dest)
    return f"`{' '.join(filter(None, (names, value)))}`" + (
        " (must be said)" if action.option_strings and action.required else ""
    )


def _meaning(action: argparse.Action) -> str:
    text = (action.help or "").replace("%(default)s", str(action.default)).replace("%%", "%")
    return re.sub(r"/[^ ]*/latentlink\b", "~/latentlink", text)


def commands_text() -> str:
    """Every command with all that it takes."""
    lines = []
    for name, command in COMMANDS.items():
        lines += [f"### latentlink {name}", "", f"{command.text[0].upper()}{command.text[1:]}.", ""]
        if name in OWN_PAGES:
            lines += [OWN_PAGES[name], ""]
            continue
        for title, parser in _sections(name):
            if title != name:
                about = " ".join((parser.description or "").split())
                lines += [f"**`latentlink {title}`**: {about}", ""]
            lines += [table(("say", "for"), _options(parser)), ""]
    return "\n".join(lines)


def targets_text() -> str:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    told = dict(re.findall(r"^([a-z-]+):.*?## (.*)", makefile, re.MULTILINE))
    rows = [
        (f"`make {name}`", text, ", ".join(f"`{one}`" for one in TARGETS.get(name, ())))
        for name, text in told.items()
    ]
    return table(("type", "for", f"takes (all take {', '.join(ALWAYS)})"), rows)


def variables_text() -> str:
    rows = [(f"`{name}={one.takes}`", one.text) for name, one in VARIABLES.items()]
    return table(("say", "for"), rows)


PARTS: dict[str, Callable[[], str]] = {
    "commands": commands_text,
    "targets": targets_text,
    "variables": variables_text,
}
