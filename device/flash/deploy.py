"""Deploy: a new release or bundle for a node that runs and can be reached over SSH.

The node's Python and processor are asked first, so that the right wheels are sent; update.sh does the rest on the node:
unpack beside, try, switch, and switch back when the service does not become ready.
"""

import hashlib
import subprocess
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from device.flash import registry
from device.flash.release import PROJECT, PYTHONS, make_release, write_archive
from device.flash.signing import signed_files, signing_key
from device.flash.tools import FlashError, find, last_words
from link.bundle import Bundle

UPDATE = PROJECT / "device/unit/update.sh"
PROBE = "import platform, os; print(*platform.python_version_tuple()[:2], platform.machine(), os.getuid())"
PROCESSOR = "aarch64"
NODE_TOML = "/etc/latentlink/node.toml"


@dataclass(frozen=True)
class Node:
    """A machine that SSH reaches; `options` go to ssh. The fields after them are a test's."""

    address: str
    options: Sequence[str] = ()
    root: str = ""
    systemctl: str = "systemctl"
    python: str = "python3"

    def run(self, command: str, input: bytes = b"") -> str:
        """Standard output; FlashError with the node's words."""
        words = [find("ssh"), "-o", "BatchMode=yes", "-o", "ConnectTimeout=15", *self.options, self.address, command]
        done = subprocess.run(words, input=input, capture_output=True)
        if done.returncode:
            raise FlashError(f"{self.address}: {last_words(done.stderr)}")
        return done.stdout.decode()


@dataclass(frozen=True)
class Probe:
    """What a node answered."""

    python: str
    is_root: bool


def probe(node: Node) -> Probe:
    """Ask the node for its Python; FlashError when there are no wheels for it."""
    major, minor, processor, uid = node.run(f'{node.python} -c "{PROBE}"').split()
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
    say(f"{node.address}: Python {probed.python}, release {release.id}, {release.archive.stat().st_size / 1e6:.0f} MB")
    say(_update(node, probed, "release", release.id, release.archive.read_bytes()))


def deploy_bundle(node: Node, path: Path, host: Path, work: Path, say: Callable[[str], None]) -> None:
    """A bundle alone, signed. The host decodes both from then on: images of the former one may still be under way."""
    probed = probe(node)
    bundle, key = Bundle.load(path, side="node"), signing_key(host)
    number = tomllib.loads(node.run(f"cat {node.root}{NODE_TOML}"))["node"]
    known, new = registry.bundles_of(host, number), registry.relative(path, host.parent)
    registry.set_bundles(host, number, [new, *known])
    if new not in known:
        say(f"{host}: node {number} may send bundle {bundle.id.hex()} too; start the host again if it runs")
    archive = work / f"bundle-{bundle.id.hex()}.tar.gz"
    write_archive(archive, signed_files(bundle, key))
    try:
        say(_update(node, probed, "bundle", bundle.id.hex(), archive.read_bytes()))
    except FlashError:
        registry.set_bundles(host, number, [*known, new])  # what it sent before it was taken back can be read
        raise


def _update(node: Node, probed: Probe, kind: str, name: str, archive: bytes) -> str:
    """Send update.sh, then the archive to it."""
    script = node.run("script=$(mktemp) && cat > $script && echo $script", UPDATE.read_bytes()).strip()
    sudo = "" if probed.is_root or node.root else "sudo -n "
    arguments = f"{kind} {name} {hashlib.sha256(archive).hexdigest()} '{node.root}' '{node.systemctl}' '{node.python}'"
    try:
        return node.run(f"{sudo}sh {script} {arguments}", archive).strip()
    finally:
        node.run(f"rm -f {script}")
