"""Card: give a system on a card, in an image file or in a mounted boot folder what makes it a node.

Only the boot partition is written: a folder `latentlink` with release, bundle, node.toml and a
fresh key, and what the system's first boot needs to run install.sh. All of it is read back. The key
leaves that partition at the first boot.
"""

import hashlib
import tempfile
import tomllib
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from device.flash import registry, teams
from device.flash.firstboot import SEED, System, detect, first_boot_files, read_text
from device.flash.member import Team
from device.flash.personal import Personal, make_personal
from device.flash.ports import console_on
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
from device.flash.teams import Begun
from device.flash.tools import FlashError
from device.link_config import LinkConfig
from link.bundle import Bundle
from link.security import COUNTER_FILE, KEY_FILE, provision, signature

SECRETS = (f"{SEED}/{KEY_FILE}", f"{SEED}/{APP_KEY}")
SUMS = f"{SEED}/SHA256SUMS"
SHOWN_CHARS = 1500
PICAMERA2_NEEDS = "3.13"
NETWORK_UNIT = """# Of latentlink.service: this node speaks UDP, to its host or its team.
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
    team: Team | None = None
    member: int | None = None
    "Which of the team's members; all of it is asked for in `device.flash.team`."
    link: LinkConfig | None = None
    "The team's, though this member has no modem."
    is_brief: bool = False
    "Which files are written was said of another member."


class OtherMemberError(FlashError):
    """What is in the reader is a card of the same team, made already."""


def flash_card(
    options: CardOptions, say: Callable[[str], None], show: Callable[[float], None]
) -> bool:
    """Write the card and register its node; without confirmation only say what would be done.
    Returns: written.

    All checks come before anything is written; the host's files are written beside their places
    before the card is, and take them when the card is right.
    """
    settings = read_settings(
        options.settings, options.node, options.bundle, options.team, options.member
    )
    link = settings.link or options.link
    assert link is not None
    _begun(options, settings)
    notices = [*settings.notices, *registry.check_link(options.host, link, options.host_port)]
    with ExitStack() as held:
        if options.is_confirmed:
            held.enter_context(registry.locked(options.host))
            if options.target.exists():
                held.enter_context(claimed(options.target))
        begun = _begun(options, settings)
        if begun.key is not None and options.target.exists():
            _check_other(options.target, begun.key, options.member)
        target = (
            f"target    {describe(options.target) if options.target.exists() else options.target}"
        )
        say(target)
        boot, system = _system(options, settings, say)
        release = make_release(system.python, options.work, settings.source_kind)
        bundle = Bundle.load(settings.bundle, side="node")
        personal = make_personal(
            settings.node, options.hostname, options.user, options.ssh_key, options.member
        )
        key_files = new_key(settings, begun.key)
        signer = (
            signing_key(options.host, may_make=True)
            if options.is_confirmed
            else Ed25519PrivateKey.generate()
        )
        seed = seed_files(settings, system, release, bundle, signer, personal) | key_files
        files = first_boot_files(boot, system, personal, settings.ports) | seed
        _check_room(boot, files)
        if not options.is_brief:
            _tell(files, settings, link, release, bundle, say)
        elif not options.is_confirmed:
            say(f"node      {settings.name}")
            _tell_files({name: files[name] for name in files if name.endswith("node.toml")}, say)
        for notice in notices:
            say(f"note      {notice}")
        if not options.is_confirmed:
            if options.member is None:
                say(unwritten(options.host))
                say(target)
            return False
        _write(options, settings, link, begun.made, boot, files, say, show)
    return True


def unwritten(host: Path) -> str:
    return (
        f"nothing was written; say CONFIRM=yes to write this, and to name the node in {host.parent}"
    )


def _begun(options: CardOptions, settings: Settings) -> Begun:
    """What there is of the node's team; FlashError when its number is another node's."""
    if options.team is not None and options.member is not None:
        shared = options.team.shared
        return teams.begun(options.host, settings.node, shared, options.member, options.replaces)
    registry.check_free(options.host, settings.node, options.replaces)
    return Begun()


def _check_other(target: Path, key: bytes, member: int | None) -> None:
    """Raise OtherMemberError when the card is another member's, made and not yet started."""
    try:
        boot = open_target(target)
        found = boot.read(f"{SEED}/{KEY_FILE}"), boot.read(f"{SEED}/node.toml")
        other = tomllib.loads(found[1].decode())["team"]["member"]
    except (FlashError, OSError, ValueError, KeyError, TypeError):
        return  # it holds nothing of ours
    if found[0].decode(errors="replace").strip() == key.hex() and other != member:
        raise OtherMemberError(
            f"{target} is the card of member {other}, which is made; put in that of member {member}"
        )


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
    is_ours = system.first_boot == "image"
    try:
        settings.check_ports(is_ours)
    except FlashError as error:
        raise FlashError(f"{options.settings}: {error}") from None
    for port in () if is_ours else settings.ports:
        for word in console_on(port, read_text(boot, "cmdline.txt")):
            say(
                f"console   {word} leaves cmdline.txt: {port} is the link's, and a console would "
                "speak on it"
            )
    return boot, system


def _write(
    options: CardOptions,
    settings: Settings,
    link: LinkConfig,
    made: tuple[int, ...],
    boot: BootPartition,
    files: Mapping[str, bytes],
    say: Callable[[str], None],
    show: Callable[[float], None],
) -> None:
    """The host's files beside their places, then the card; the former count when the latter is
    right.
    """
    key_text = files[f"{SEED}/{KEY_FILE}"].decode()
    records = {}
    if options.team is not None and options.member is not None:
        key, now = bytes.fromhex(key_text), (*made, options.member)
        records = teams.record(options.host, settings.node, options.team.shared, now, key)
    registration = registry.Registration(
        options.host,
        settings.node,
        key_text,
        settings.bundle,
        link,
        options.host_port,
        records=records,
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
        f"written and read back; node {settings.name} is in {options.host.parent}, its key in "
        f"{registration.key_path}"
    )
    for notice in registration.notices:
        say(f"note      {notice}")
    if options.member is None:
        say(how_to_listen(options.host))


def how_to_listen(host: Path) -> str:
    return f"start the host, or start it again: python -m host_decoder listen {host}"


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
    if settings.team is not None and settings.team.placement_text is not None:
        seed["placement.json"] = settings.team.placement_text.encode()
    if settings.uses_ip:
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


def new_key(settings: Settings, key: bytes | None = None) -> dict[str, bytes]:
    """What leaves the boot partition at the first boot: a new key, or the team's, with a counter of
    its own, and a LoRaWAN node's other key.
    """
    with tempfile.TemporaryDirectory() as folder:
        provision(Path(folder), settings.node, key=key)
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
    link: LinkConfig,
    release: Release,
    bundle: Bundle,
    say: Callable[[str], None],
) -> None:
    say(
        f"node      {settings.name}, bundle {bundle.id.hex()} of "
        f"{settings.bundle}{_measured(bundle)}"
    )
    say(f"link      {_line(link)}" + ("" if settings.link else ", of its team: no modem here"))
    say(f"release   {release.id}: Python {release.python}, {len(release.wheels)} aarch64 wheels")
    _tell_files(files, say)


def _tell_files(files: Mapping[str, bytes], say: Callable[[str], None]) -> None:
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


def _line(link: LinkConfig) -> str:
    told = [f"region {link.region}"] if link.region else []
    told += [f"{link.frequency_hz / 1e6:g} MHz"] if link.frequency_hz else []
    return ", ".join(
        [
            f"{link.profile.name} at {link.port}",
            *told,
            *([] if link.has_downlink else ["without a downlink"]),
        ]
    )
