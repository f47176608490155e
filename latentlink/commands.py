"""Commands: what `latentlink NAME` hands over to. Each is a program of a package that has its own
--help; here stands which, and what it is for in a line.
"""

import sys
from dataclasses import dataclass
from importlib import import_module

from link.base import extras
from link.output import program

TESTS = "tests"
"Our package that is not installed."


@dataclass(frozen=True)
class Command:
    """A module with a `main`, and the words that it is given before those of the person."""

    text: str
    module: str
    words: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()
    "First words of a person that stand in the place of those."
    needs: str = ""
    "Extras whose libraries it wants, where they are not its package's."

    @property
    def extras(self) -> str:
        return self.needs or EXTRAS.get(self.module.partition(".")[0], "")


EXTRAS = {"host_training": "train", "export": "export", "device": "node", "host_decoder": "host"}
"By package, what pip installs besides for it."
COMMANDS = {
    "train": Command("train a model on images", "host_training.__main__", ("train",)),
    "global": Command("learn on many devices, simulated", "host_training.__main__", ("global",)),
    "export": Command("make a bundle of what was trained", "export.__main__"),
    "decoder": Command("ask a bundle another question", "export.__main__", ("decoder",)),
    "report": Command("what a run makes of your photos", "export.__main__", ("report",)),
    "universal": Command(
        "fit one encoder for questions to come", "export.__main__", ("universal",)
    ),
    "calibrate": Command("make a bundle's confidence true", "export.__main__", ("calibrate",)),
    "rotate": Command("rotate a bundle's latents by importance", "export.__main__", ("rotate",)),
    "replay": Command("write images for a node to replay", "host_training.__main__", ("replay",)),
    "live": Command(
        "node, line and host on one screen", "host_decoder.__main__", ("live",), needs="node,host"
    ),
    "node": Command("run a node", "device.__main__"),
    "learn": Command("learn from a node's own images", "device.training.__main__"),
    "gateway": Command("carry messages of nodes that learn", "host_decoder.learn.__main__"),
    "forward": Command(
        "a gateway of a fleet: carry packets to its broker", "link.gateway.__main__", needs="host"
    ),
    "host": Command(
        "hear nodes and say what they see; init, unit, token, retire, alerts",
        "host_decoder.__main__",
        ("listen",),
        ("init", "unit", "token", "retire", "alerts"),
    ),
    "teach": Command(
        "ask a host's images a new question, from examples", "host_decoder.__main__", ("teach",)
    ),
    "decode": Command("decode again what a host stored", "host_decoder.__main__", ("decode",)),
    "stats": Command("what a host's store holds", "host_decoder.__main__", ("stats",)),
    "link": Command("emulate, watch or record a line; make keys", "link.__main__"),
    "flash": Command("make a node of a card", "device.flash.__main__", ("card",)),
    "image": Command("make a system image for nodes", "device.flash.__main__", ("image",)),
    "boot": Command("start a system image in QEMU", "device.flash.__main__", ("boot",)),
    "deploy": Command("programs or a bundle to a node", "device.flash.__main__", ("deploy",)),
    "collect": Command(
        "fetch a node's pictures, to be labelled", "latentlink.collect", needs="host"
    ),
    "bench": Command("measure coder, node, host and link", "tests.studies.__main__", ("bench",)),
    "studies": Command("everything that was measured, again", "tests.studies.__main__"),
    "completion": Command("the Tab key: bash, zsh or fish", "latentlink.completion"),
    "doctor": Command("what is missing here, and what to do", "latentlink.doctor"),
    "make": Command("what `make TARGET` does, in a checkout", "latentlink.make"),
}


def hand_over(name: str, arguments: list[str]) -> int:
    """The exit code of that command, or 1 and a sentence where its packages are not installed."""
    command = COMMANDS[name]
    if arguments and arguments[0] in command.verbs:
        sys.argv = [f"{program.NAME} {name} {arguments[0]}", *arguments]
    else:
        sys.argv = [f"{program.NAME} {name}", *command.words, *arguments]
    if command.module.startswith(TESTS):
        sys.path.insert(0, "")  # an installed command does not look where it is typed
    try:
        return import_module(command.module).main()
    except ModuleNotFoundError as error:
        missing = str(error.name).partition(".")[0]
        own = {one.module.partition(".")[0] for one in COMMANDS.values()} - {TESTS}
        if missing in own | sys.stdlib_module_names:
            raise  # a fault of this program
        wanted = extras.install(command.extras)
        reason = f"needs {missing}, which is not installed; type: {wanted}"
        if missing == TESTS:
            reason = "is for a checkout of the project; type it there"
        print(f"{program.NAME} {name} {reason}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # while it was being loaded
        return 130
