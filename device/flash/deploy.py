"""Deploy: a new release or bundle for a node that runs and can be reached over SSH.

The node's Python and processor are asked first, so that the right wheels are sent; update.sh does
the rest on the node: unpack beside, try, switch, and switch back when the service does not become
ready. Our commands are for `sh`, whatever shell the account has there.
"""

import hashlib
import shlex
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from device.flash import registry
from device.flash.release import PROJECT, PYTHONS, make_release, write_archive
from device.flash.signing import signed_files, signing_key
from device.flash.tools import FlashError, find, last_words, run_within
from link.bundle import Bundle
from link.security import MAX_NODE
from link.settings import host_folder, read_toml

UPDATE = PROJECT / "device/unit/update.sh"
PROBE = (
    "import platform, os; print(*platform.python_version_tuple()[:2], platform.machine(), "
    "os.getuid())"
)
PROCESSOR = "aarch64"
NODE_TOML, LAST_GOOD = "/etc/latentlink/node.toml", "/var/lib/latentlink/node.toml.good"
"What the node is told, and what it goes by while that cannot be used (safe mode)."
SSH_OPTIONS = {
    "BatchMode": "yes",
    "ConnectTimeout": "15",
    "ServerAliveInterval": "15",
    "ServerAliveCountMax": "4",
    "ControlMaster": "no",
}
"It asks nothing, gives up a node that is gone within a minute, and leaves nothing behind."
ANSWER_S, UPDATE_S = 60.0, 1800.0
"""Deadlines: of a question; of an update, which sends up to 61 MB and waits for a service to start
twice.
"""


@dataclass(frozen=True)
class Node:
    """A machine that SSH reaches; `options` go to ssh. The fields after them are a test's."""

    address: str
    options: Sequence[str] = ()
    root: str = ""
    systemctl: str = "systemctl"
    python: str = "python3"

    def run(self, command: str, input: bytes = b"") -> str:
        """What a command for `sh` prints, as text; FlashError as output."""
        return self.output(command, input).decode(errors="replace")

    def output(self, command: str, input: bytes = b"") -> bytes:
        """What a command for `sh` prints; FlashError with the node's words, or when it hangs."""
        options = [
            word for name, value in SSH_OPTIONS.items() for word in ("-o", f"{name}={value}")
        ]
        # The first value that ssh sees of an option counts: those of the person come first.
        words = [
            find("ssh"),
            *self.options,
            *options,
            self.address,
            f"exec sh -c {shlex.quote(command)}",
        ]
        try:
            done = run_within(UPDATE_S if input else ANSWER_S, words, input)
        except FlashError as error:
            raise FlashError(f"{self.address}: {error}") from None
        if done.returncode:
            raise FlashError(f"{self.address}: {last_words(done.stderr)}")
        return done.stdout


@dataclass(frozen=True)
class Probe:
    """What a node answered."""

    python: str
    is_root: bool


def probe(node: Node) -> Probe:
    """Ask the node for its Python; FlashError when there are no wheels for it."""
    said = node.run(f"{node.python} -c {shlex.quote(PROBE)}").split()
    if len(said) != 4:
        raise FlashError(
            f"{node.address} answers {' '.join(said)[:80]!r} to a question for its Python; "
            "is it a node?"
        )
    major, minor, processor, uid = said
    python = f"{major}.{minor}"
    if processor != PROCESSOR or python not in PYTHONS:
        raise FlashError(
            f"{node.address} is {processor} with Python {python}; there are wheels for {PROCESSOR} "
            f"with Python {' or '.join(PYTHONS)}"
        )
    return Probe(python, uid == "0")


def deploy_release(node: Node, work: Path, source_kind: str, say: Callable[[str], None]) -> None:
    """The programs of this checkout onto the node."""
    probed = probe(node)
    release = make_release(probed.python, work, source_kind)
    say(
        f"{node.address}: Python {probed.python}, release {release.id}, "
        f"{release.archive.stat().st_size / 1e6:.0f} MB"
    )
    say(update(node, probed, "release", release.id, release.archive.read_bytes()))


def deploy_bundle(
    node: Node, path: Path, host: Path, work: Path, say: Callable[[str], None]
) -> None:
    """A bundle alone, signed. The host decodes both from then on: images of the former one may
    still be under way.
    """
    probed = probe(node)
    bundle, archive = signed_archive(path, host, work)
    found = identity(node, probed)
    if found.member is not None:
        raise FlashError(
            f"{node.address} is {found}: a team gets a bundle all at once, so give the addresses "
            "of all its members"
        )
    if bundle.team is not None:
        raise FlashError(f"{node.address} is {found}, and bundle {path} is cut for a team")
    number = found.node
    with registry.locked(host):
        known, new = registry.bundles_of(host, number), registry.relative(path, host.parent)
        registry.set_bundles(host, number, [new, *known])
    if new not in known:
        say(
            f"{host}: node {number} may send bundle {bundle.id.hex()} too; start the host again if "
            "it runs"
        )
    if registry.stands_in_host_toml(host, number):
        say(
            f"node {number} stands in {host} too, and {host_folder.node_file(host, number)} "
            "counts; take it out there"
        )
    try:
        say(update(node, probed, "bundle", bundle.id.hex(), archive))
    except FlashError:
        with registry.locked(host):  # what it sent before it was taken back can be read
            registry.set_bundles(host, number, [*(name for name in known if name != new), new])
        raise


def signed_archive(path: Path, host: Path, work: Path) -> tuple[Bundle, bytes]:
    """A bundle as nodes take it that this host flashed."""
    bundle, key = Bundle.load(path, side="node"), signing_key(host)
    Bundle.load(path, side="host")
    archive = work / f"bundle-{bundle.id.hex()}.tar.gz"
    write_archive(archive, signed_files(bundle, key))
    return bundle, archive.read_bytes()


@dataclass(frozen=True)
class Identity:
    """Who a node is."""

    node: int
    member: int | None = None
    "Its number in its team; None: it is alone."
    members: int = 1

    def __str__(self) -> str:
        alone = f"node {self.node}"
        return alone if self.member is None else f"member {self.member} of {alone}"


def identity(node: Node, probed: Probe) -> Identity:
    """Who it is, by node.toml or, in safe mode, by the settings that worked last."""
    try:
        return _identity(node, NODE_TOML, [])
    except FlashError as error:
        why = error
    try:
        return _identity(node, LAST_GOOD, _sudo(node, probed))
    except FlashError:
        raise FlashError(
            f"{node.address} is in safe mode, and which node it is cannot be known: {why}. Put "
            f"that right there first (sudo nano {NODE_TOML}), or flash the card again"
        ) from None


def _identity(node: Node, path: str, sudo: list[str]) -> Identity:
    text = node.run(shlex.join([*sudo, "cat", node.root + path]))
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "node.toml"
        copy.write_text(text, encoding="utf-8")
        try:
            table = read_toml(copy, FlashError)
        except FlashError as error:
            raise FlashError(str(error).replace(str(copy), path)) from None
    number, team = table.get("node"), table.get("team")
    if type(number) is not int or not 1 <= number <= MAX_NODE:
        raise FlashError(f"{path} has node = {number!r}")
    if team is None:
        return Identity(number)
    told = team if isinstance(team, dict) else {}
    member, members = told.get("member"), told.get("members")
    if type(member) is not int or type(members) is not int:
        raise FlashError(f"{path} has team = {team!r}")
    return Identity(number, member, members)


def _sudo(node: Node, probed: Probe) -> list[str]:
    return [] if probed.is_root or node.root else ["sudo", "-n"]


def update(node: Node, probed: Probe, kind: str, name: str, archive: bytes) -> str:
    """Send update.sh, then the archive to it; what it says when all is well."""
    script = node.run(
        "script=$(mktemp) && cat >$script && echo $script", UPDATE.read_bytes()
    ).strip()
    told = [kind, name, hashlib.sha256(archive).hexdigest(), node.root, node.systemctl, node.python]
    command = shlex.join([*_sudo(node, probed), "sh", script, *told])
    try:
        return node.run(command, archive).strip()
    finally:
        with suppress(FlashError):  # what is left in /tmp there goes at its next start
            node.run(f"rm -f {shlex.quote(script)}")
