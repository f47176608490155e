"""Card: give a system on a card, in an image file or in a mounted boot folder what makes it a node.

Only the boot partition is written: a folder `latentlink` with release, bundle, node.toml and a fresh key, and what the
system's first boot needs to run install.sh. All of it is read back. The key leaves that partition at the first boot.
"""

import hashlib
import json
import secrets
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from device.flash import registry
from device.flash.firstboot import SEED, Personal, System, detect, first_boot_files
from device.flash.release import PROJECT, Release, make_release
from device.flash.rootfs import UNITS
from device.flash.settings import Settings, read_settings
from device.flash.signing import signed_files, signing_key
from device.flash.target import BootPartition, check_file, copy_image, describe, free_bytes, open_target
from device.flash.tools import FlashError
from link.bundle import Bundle
from link.keys import COUNTER_FILE, KEY_FILE, provision
from link.signature import SIGNER, signer_text

SECRETS = (f"{SEED}/{KEY_FILE}",)
SUMS = f"{SEED}/SHA256SUMS"
OUR_IMAGE_ABOUT = f"{SEED}/image.json"
SHOWN_CHARS = 1500
PICAMERA2_NEEDS = "3.13"


@dataclass(frozen=True)
class CardOptions:
    """What the person asks for."""

    target: Path
    settings: Path
    host: Path
    work: Path
    image: Path | None = None
    "Written to the whole target first."
    bundle: Path | None = None
    node: int | None = None
    hostname: str | None = None
    user: str = ""
    ssh_key: Path | None = None
    is_confirmed: bool = False
    replaces: bool = False


def flash_card(options: CardOptions, say: Callable[[str], None], show: Callable[[float], None]) -> bool:
    """Write the card and register its node; without confirmation only say what would be done. Returns: written."""
    settings = read_settings(options.settings, options.node, options.bundle)
    registry.check_free(options.host, settings.node, options.replaces)
    say(f"target    {describe(options.target) if options.target.exists() else options.target}")
    if options.image:
        check_file(options.image)
        if options.target.exists():
            check_file(options.target)
        say(f"image     {describe(options.image)}")
    boot = open_target(options.image or options.target)
    system = detect(boot)
    say(f"system    {system.name}; first boot by {system.first_boot}, Python {system.python}")
    _check_source(settings, system)
    release = make_release(system.python, options.work, settings.source_kind)
    bundle = Bundle.load(settings.bundle, side="node")
    personal = _personal(options, settings)
    key_files = new_key(settings.node)
    signer = signing_key(options.host, may_make=True) if options.is_confirmed else Ed25519PrivateKey.generate()
    seed = seed_files(settings, system, release, bundle, signer, personal) | key_files
    files = first_boot_files(boot, system, personal, settings.port) | seed
    _tell(files, settings, release, bundle, say)
    if not options.is_confirmed:
        say("nothing was written; say CONFIRM=yes to write it")
        return False
    if options.image:
        copy_image(options.image, options.target, show)
        boot = open_target(options.target)
    _check_room(options.target, files)
    write_verified(boot, files)
    key_path = registry.register(
        options.host, settings.node, key_files[f"{SEED}/{KEY_FILE}"].decode(), settings.bundle, settings.profile
    )
    say(f"written and read back; node {settings.node} is in {options.host}, its key in {key_path}")
    return True


def seed_files(
    settings: Settings,
    system: System,
    release: Release,
    bundle: Bundle,
    signer: Ed25519PrivateKey,
    personal: Personal,
) -> dict[str, bytes]:
    """The folder `latentlink` of the boot partition but for the key; SHA256SUMS names every file in it."""
    seed = {
        "bundle.id": bundle.id.hex().encode(),
        "node.toml": settings.text.encode(),
        "hostname": f"{personal.hostname}\n".encode(),
        **{f"bundle/{name}": content for name, content in signed_files(bundle, signer).items()},
        SIGNER: signer_text(signer).encode(),
        **{f"source/{name}": content for name, content in settings.source_files.items()},
    }
    if system.release != release.id:
        seed |= {
            "release.tar.gz": release.archive.read_bytes(),
            "release.id": release.id.encode(),
            "release.python": release.python.encode(),
        }
    if personal.authorized_key:
        seed["authorized_keys"] = f"{personal.authorized_key}\n".encode()
    if system.first_boot != "image":
        for name in ("install.sh", "latentlink-install.service"):
            seed[name] = (PROJECT / UNITS / name).read_bytes()
    sums = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(seed.items()))
    return {f"{SEED}/{name}": content for name, content in (seed | {"SHA256SUMS": sums.encode()}).items()}


def new_key(node: int) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        provision(Path(folder), node)
        return {f"{SEED}/{name}": (Path(folder) / name).read_bytes() for name in (KEY_FILE, COUNTER_FILE)}


def write_verified(boot: BootPartition, files: Mapping[str, bytes]) -> None:
    """Write, read back, compare. SHA256SUMS comes last: without it an installer takes nothing over."""
    for name, content in sorted(files.items(), key=lambda file: file[0] == SUMS):
        boot.write(name, content)
    boot.sync()
    for name, content in files.items():
        if boot.read(name) != content:
            raise FlashError(
                f"{name} on {boot} reads back otherwise than it was written: a bad card, or it was pulled out"
            )


def _check_source(settings: Settings, system: System) -> None:
    if settings.source_kind == "picamera2" and (system.first_boot == "image" or system.python != PICAMERA2_NEEDS):
        raise FlashError(
            f"{system.name} cannot serve picamera2 (its picamera2 is missing or made for another numpy); "
            'use Raspberry Pi OS Trixie, or a USB camera with kind = "v4l2"'
        )


def _personal(options: CardOptions, settings: Settings) -> Personal:
    key = options.ssh_key.read_text().strip() if options.ssh_key else ""
    if "\n" in key or "PRIVATE" in key:
        raise FlashError(f"{options.ssh_key} is no single public key; give the file that ends in .pub")
    if options.user and not key:
        raise FlashError("an account without an SSH key could never be entered; give SSH_KEY= too")
    hostname = options.hostname or f"latentlink-{settings.node}"
    return Personal(hostname, f"latentlink-{settings.node}-{secrets.token_hex(4)}", options.user, key)


def _check_room(target: Path, files: Mapping[str, bytes]) -> None:
    free, needed = free_bytes(target), sum(map(len, files.values()))
    if free is not None and free < needed:
        raise FlashError(f"{target} has {free / 1e6:.0f} MB free and {needed / 1e6:.0f} MB are needed")


def _tell(
    files: Mapping[str, bytes], settings: Settings, release: Release, bundle: Bundle, say: Callable[[str], None]
) -> None:
    accuracy = json.dumps(bundle.measured)[:100]
    say(f"node      {settings.node}, bundle {bundle.id.hex()} of {settings.bundle} {accuracy}")
    say(f"release   {release.id}: Python {release.python}, {len(release.wheels)} aarch64 wheels")
    for name, content in sorted(files.items()):
        say(f"file      {name}, {len(content)} bytes" + (" (secret)" if name in SECRETS else ""))
        if name.count("/") == 0 or name.endswith("node.toml"):
            text = content.decode(errors="replace")[:SHOWN_CHARS]
            say("\n".join(f"          | {line}" for line in text.splitlines()))
