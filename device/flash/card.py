"""Card: give a system on a card, in an image file or in a mounted boot folder what makes it a node.

Only the boot partition is written: a folder `latentlink` with release, bundle, node.toml and a
fresh key, and what the system's first boot needs to run install.sh. All of it is read back. The key
leaves that partition at the first boot.
"""

import hashlib
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from device.flash import registry
from device.flash.firstboot import SEED, System, detect, first_boot_files, read_text
from device.flash.personal import Personal, make_personal
from device.flash.ports import check_port, console_on
from device.flash.release import PROJECT, Release, make_release
from device.flash.rootfs import UNITS
from device.flash.settings import APP_KEY, Settings, read_settings
from device.flash.signing import signed_files, signing_key
from device.flash.target import (
    BootPartition,
    check_file,
    claimed,
    copy_image,
    describe,
    open_target,
)
from device.flash.tools import FlashError
from link.bundle import Bundle
from link.security import COUNTER_FILE, KEY_FILE, provision, signature

SECRETS = (f"{SEED}/{KEY_FILE}", f"{SEED}/{APP_KEY}")
SUMS = f"{SEED}/SHA256SUMS"
SHOWN_CHARS = 1500
PICAMERA2_NEEDS = "3.13"
NETWORK_UNIT = """# Of latentlink.service: this node's carrier is UDP.
[Unit]
Wants=network-online.target
After=network-online.target
[Service]
RestrictAddressFamilies=AF_INET AF_INET6
IPAddressAllow=any
"""
CLUSTER_BYTES = 32 << 10
"A file on a FAT partition takes up to so much more than it has."


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
    host_port: str = registry.HOST_PORT
    "The port of the host's modem, for a host.toml that is made."


def flash_card(
    options: CardOptions, say: Callable[[str], None], show: Callable[[float], None]
) -> bool:
    """Write the card and register its node; without confirmation only say what would be done.
    Returns: written.

    All checks come before anything is written; the host's files are written beside their places
    before the card is, and take them when the card is right.
    """
    settings = read_settings(options.settings, options.node, options.bundle)
    registry.check_free(options.host, settings.node, options.replaces)
    notices = [
        *settings.notices,
        *registry.check_link(options.host, settings.link, options.host_port),
    ]
    with ExitStack() as held:
        if options.is_confirmed:
            held.enter_context(registry.locked(options.host))
            registry.check_free(options.host, settings.node, options.replaces)
            if options.target.exists():
                held.enter_context(claimed(options.target))
        target = (
            f"target    {describe(options.target) if options.target.exists() else options.target}"
        )
        say(target)
        boot, system = _system(options, settings, say)
        release = make_release(system.python, options.work, settings.source_kind)
        bundle = Bundle.load(settings.bundle, side="node")
        personal = make_personal(settings.node, options.hostname, options.user, options.ssh_key)
        key_files = new_key(settings)
        signer = (
            signing_key(options.host, may_make=True)
            if options.is_confirmed
            else Ed25519PrivateKey.generate()
        )
        seed = seed_files(settings, system, release, bundle, signer, personal) | key_files
        files = first_boot_files(boot, system, personal, settings.port) | seed
        _check_room(boot, files)
        _tell(files, settings, release, bundle, say)
        for notice in notices:
            say(f"note      {notice}")
        if not options.is_confirmed:
            say(
                "nothing was written; say CONFIRM=yes to write this, and to name the node in "
                f"{options.host.parent}"
            )
            say(target)
            return False
        _write(options, settings, boot, files, say, show)
    return True


def _system(
    options: CardOptions, settings: Settings, say: Callable[[str], None]
) -> tuple[BootPartition, System]:
    """What is on the card, or on the image that will be, and whether the settings suit it."""
    if options.image:
        check_file(options.image)
        if options.target.exists():
            check_file(options.target)
        say(f"image     {describe(options.image)}")
    boot = open_target(options.image or options.target)
    system = detect(boot)
    say(f"system    {system.name}; first boot by {system.first_boot}, Python {system.python}")
    _check_source(settings, system)
    try:
        check_port(settings.link, is_our_image=system.first_boot == "image")
    except FlashError as error:
        raise FlashError(f"{options.settings}: {error}") from None
    if system.first_boot != "image":
        for word in console_on(settings.port, read_text(boot, "cmdline.txt")):
            say(
                f"console   {word} leaves cmdline.txt: {settings.port} is the link's, and a "
                "console would speak on it"
            )
    return boot, system


def _write(
    options: CardOptions,
    settings: Settings,
    boot: BootPartition,
    files: Mapping[str, bytes],
    say: Callable[[str], None],
    show: Callable[[float], None],
) -> None:
    """The host's files beside their places, then the card; the former count when the latter is
    right.
    """
    key_text = files[f"{SEED}/{KEY_FILE}"].decode()
    registration = registry.Registration(
        options.host, settings.node, key_text, settings.bundle, settings.link, options.host_port
    )
    try:
        if options.image:
            copy_image(options.image, options.target, show)
            boot = open_target(options.target)
        write_verified(boot, files)
    except BaseException:
        registration.drop()
        raise
    registration.commit()
    say(
        f"written and read back; node {settings.node} is in {options.host.parent}, its key in "
        f"{registration.key_path}"
    )
    for notice in registration.notices:
        say(f"note      {notice}")
    say(f"start the host, or start it again: python -m host_decoder listen {options.host}")


def seed_files(
    settings: Settings,
    system: System,
    release: Release,
    bundle: Bundle,
    signer: Ed25519PrivateKey,
    personal: Personal,
) -> dict[str, bytes]:
    """The boot partition's folder `latentlink` but for the key; SHA256SUMS names every file."""
    seed = {
        "bundle.id": bundle.id.hex().encode(),
        "node.toml": settings.text.encode(),
        "hostname": f"{personal.hostname}\n".encode(),
        **{f"bundle/{name}": content for name, content in signed_files(bundle, signer).items()},
        signature.SIGNER: signature.signer_text(signer).encode(),
        **{f"source/{name}": content for name, content in settings.source_files.items()},
    }
    if system.release != release.id:
        seed |= {
            "release.tar.gz": release.archive.read_bytes(),
            "release.id": release.id.encode(),
            "release.python": release.python.encode(),
        }
    if settings.link.profile.carrier == "udp":
        seed["network.conf"] = NETWORK_UNIT.encode()
    if personal.authorized_key:
        seed["authorized_keys"] = f"{personal.authorized_key}\n".encode()
    if system.first_boot != "image":
        for name in ("install.sh", "latentlink-install.service"):
            seed[name] = (PROJECT / UNITS / name).read_bytes()
    sums = "".join(
        f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(seed.items())
    )
    return {
        f"{SEED}/{name}": content
        for name, content in (seed | {"SHA256SUMS": sums.encode()}).items()
    }


def new_key(settings: Settings) -> dict[str, bytes]:
    """What leaves the boot partition at the first boot: a new key with its counter, and a LoRaWAN
    node's other key.
    """
    with tempfile.TemporaryDirectory() as folder:
        provision(Path(folder), settings.node)
        files = {
            f"{SEED}/{name}": (Path(folder) / name).read_bytes()
            for name in (KEY_FILE, COUNTER_FILE)
        }
    return (
        files
        if settings.app_key is None
        else files | {f"{SEED}/{APP_KEY}": f"{settings.app_key}\n".encode()}
    )


def write_verified(boot: BootPartition, files: Mapping[str, bytes]) -> None:
    """Write, read back, compare; SHA256SUMS last, without which an installer takes nothing over."""
    for name, content in sorted(files.items(), key=lambda file: file[0] == SUMS):
        boot.write(name, content)
    boot.sync()
    for name, content in files.items():
        if boot.read(name) != content:
            raise FlashError(
                f"{name} on {boot} reads back otherwise than it was written: a bad card, or it was "
                "pulled out"
            )


def _check_source(settings: Settings, system: System) -> None:
    if settings.source_kind == "picamera2" and (
        system.first_boot == "image" or system.python != PICAMERA2_NEEDS
    ):
        raise FlashError(
            f"{system.name} cannot serve picamera2 (its picamera2 is missing or made for "
            "another numpy); "
            'use Raspberry Pi OS Trixie, or a USB camera with kind = "v4l2"'
        )


def _check_room(boot: BootPartition, files: Mapping[str, bytes]) -> None:
    free, needed = (
        boot.free_bytes(),
        sum(len(content) + CLUSTER_BYTES for content in files.values()),
    )
    if free < needed:
        raise FlashError(
            f"{boot} has {free / 1e6:.1f} MB free and {needed / 1e6:.1f} MB are needed"
        )


def _tell(
    files: Mapping[str, bytes],
    settings: Settings,
    release: Release,
    bundle: Bundle,
    say: Callable[[str], None],
) -> None:
    say(
        f"node      {settings.node}, bundle {bundle.id.hex()} of "
        f"{settings.bundle}{_measured(bundle)}"
    )
    say(f"link      {_line(settings)}")
    say(f"release   {release.id}: Python {release.python}, {len(release.wheels)} aarch64 wheels")
    for name, content in sorted(files.items()):
        say(f"file      {name}, {len(content)} bytes" + (" (secret)" if name in SECRETS else ""))
        if name.count("/") == 0 or name.endswith("node.toml"):
            text = content.decode(errors="replace")[:SHOWN_CHARS]
            say("\n".join(f"          | {line}" for line in text.splitlines()))


def _measured(bundle: Bundle) -> str:
    measured = bundle.measured
    if measured.accuracy is None or measured.bytes_per_image is None:
        return ""
    return (
        f": {100 * measured.accuracy:.1f} % on the {measured.split or 'test'} split, "
        f"{measured.bytes_per_image:.1f} bytes an image"
    )


def _line(settings: Settings) -> str:
    link = settings.link
    told = [f"region {link.region}"] if link.region else []
    told += [f"{link.frequency_hz / 1e6:g} MHz"] if link.frequency_hz else []
    return ", ".join(
        [
            f"{link.profile.name} at {link.port}",
            *told,
            *([] if link.has_downlink else ["without a downlink"]),
        ]
    )
