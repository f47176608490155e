"""Team: the cards of a team, one after another; what is interrupted is gone on with by the same
command.

All members are checked before the first card is written. A card or a mounted folder is asked for
when its turn comes; image files are named by the member's number.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from device.flash import registry, teams
from device.flash.card import (
    CardOptions,
    OtherMemberError,
    flash_card,
    how_to_listen,
    unwritten,
)
from device.flash.member import NUMBER, Team, TeamOptions, numbered, read_team
from device.flash.settings import read_settings
from device.flash.tools import FlashError
from link.bundle import manifest
from link.settings import read_toml, shown

Say = Callable[[str], None]


def is_team(settings: Path) -> bool:
    """Whether that node.toml is a team's."""
    return "team" in read_toml(settings, FlashError)


def flash_team(
    options: CardOptions,
    asked: TeamOptions,
    member: int | None,
    say: Say,
    show: Callable[[float], None],
    ask: Say,
) -> None:
    """Make all members that are not made yet, or that one; without confirmation only say so.

    `ask` shows a sentence and returns when the person has done what it says.
    """
    node = _number(options)
    team = read_team(options.settings, node, asked)
    if member is not None and member >= team.members:
        raise FlashError(f"member {member} is none of 0 to {team.members - 1}")
    begun = teams.begun(options.host, node, team.shared, member, options.replaces)
    todo = [one for one in range(team.members) if one not in begun.made]
    todo = todo if member is None else [member]
    _check_target(options, todo)
    if begun.made and options.bundle is None:
        options = replace(options, bundle=_newest(options, node, say))
    options = replace(options, team=team)
    every = [
        read_settings(options.settings, options.node, options.bundle, team, one)
        for one in range(team.members)
    ]
    options = replace(options, link=every[team.modems[0]].link)
    _tell(team, node, begun.made, todo, say)
    for one in todo:
        is_first = one == todo[0]
        target = Path(numbered(str(options.target), one))
        card = replace(options, member=one, target=target, is_brief=not is_first)
        if not options.is_confirmed:
            _foretell(card, say, show)
            continue
        if not is_first and not _is_numbered(options):
            ask(f"Put the card of member {one} of node {node} into {options.target}")
        _flash(card, say, show, ask)
    say(how_to_listen(options.host) if options.is_confirmed else unwritten(options.host))


def _foretell(card: CardOptions, say: Say, show: Callable[[float], None]) -> None:
    """What would be written, though another member's card be in."""
    try:
        flash_card(card, say, show)
    except OtherMemberError as error:
        say(f"note      {error}")


def _flash(card: CardOptions, say: Say, show: Callable[[float], None], ask: Say) -> None:
    """Until the card that is in is not another member's."""
    while True:
        try:
            flash_card(card, say, show)
            return
        except OtherMemberError as error:
            if card.target.is_file():
                raise
            ask(str(error))


def _number(options: CardOptions) -> int:
    number = options.node or read_toml(options.settings, FlashError).get("node")
    if type(number) is not int:
        raise FlashError(f"{options.settings} has node = {shown(number)}; write the team's number")
    return number


def _newest(options: CardOptions, node: int, say: Say) -> Path | None:
    """The bundle that the other members have by now, when it is not the file's."""
    own = options.settings.parent / str(read_toml(options.settings, FlashError).get("bundle"))
    with suppress(FlashError):  # the host knows no such node yet
        newest = options.host.parent / registry.bundles_of(options.host, node)[0]
        if (newest / manifest.MANIFEST).is_file() and newest.resolve() != own.resolve():
            say(f"note      its bundle is {newest}, as the other members have it")
            return newest
    return None


def _is_numbered(options: CardOptions) -> bool:
    return NUMBER in str(options.target)


def _check_target(options: CardOptions, todo: list[int]) -> None:
    target = options.target
    if (
        len(todo) > 1
        and not _is_numbered(options)
        and not (target.is_dir() or target.is_block_device())
    ):
        raise FlashError(
            f"{target} is one image file, and {len(todo)} members need one each: write % for the "
            f"member's number, such as {target.stem}-%{target.suffix}"
        )


def _tell(team: Team, node: int, made: tuple[int, ...], todo: list[int], say: Say) -> None:
    way = team.told.get("multicast") or team.port or f"{team.members} addresses"
    so_far = f"; made: {', '.join(map(str, made))}" if made else ""
    say(f"team      node {node}: {team.members} members, over {way}{so_far}")
    for one in todo:
        has = [
            name
            for name, those in (("camera", team.cameras), ("modem", team.modems))
            if one in those
        ]
        say(f"member    {one}: {' and '.join(has) or 'neither camera nor modem'}")
    for name, those in (("camera", team.cameras), ("modem", team.modems)):
        if len(those) == 1:
            say(f"note      without member {those[0]} the team has no {name}; give two of them one")
