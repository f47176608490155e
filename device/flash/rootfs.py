"""Root filesystem: Debian's arm64 packages, unpacked by mmdebstrap and made to start, with no
foreign code run.

mmdebstrap's variant `extract` unpacks packages and leaves out their set-up scripts, for which an
arm64 processor would be needed. The little of their work that an appliance depends on is done here,
natively. So the node's Debian starts and serves; `apt upgrade` on it is not possible (its packages
were never configured): a node is updated by a release.
"""

import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from device.flash.release import EPOCH_S, Release, unpack
from device.flash.tools import (
    DOWNLOAD_DEADLINE_S,
    FlashError,
    UnreachableError,
    find,
    last_words,
    run,
    run_within,
)
from link.base import durable

HOST_PYTHON = "{}.{}".format(*sys.version_info[:2])
PYTHON_OF = {"bookworm": "3.11", "trixie": "3.13"}
PACKAGES = (
    "systemd",
    "systemd-sysv",
    "udev",
    "kmod",
    "python3",
    "linux-image-arm64",
    "busybox-static",
    "raspi-firmware",
    "e2fsprogs",
    "dosfstools",
    "fdisk",
    "libstdc++6",
    "openssh-server",
)
COMPONENTS = ("main", "non-free-firmware")
UNREACHABLE = (b"apt-get update", b"Failed to fetch", b"Could not connect", b"Could not resolve")
"What apt's words hold when a mirror is down, as against a package that does not exist."
MERGED_USR = "/usr/share/mmdebstrap/hooks/merged-usr"

ROOT_LABEL, BOOT_LABEL = "latentlink", "LLBOOT"
UNITS = Path("device/unit")
PACKAGE_LIST = "usr/share/doc/latentlink/packages.json"
OPT = Path("opt/latentlink")
ENABLED = (
    "latentlink.service",
    "latentlink-install.service",
    "latentlink-grow.service",
    "latentlink-compile.service",
    "ssh.service",
    "systemd-networkd.service",
)
MASKED = (
    "systemd-firstboot.service",
    "systemd-hwdb-update.service",
    "ldconfig.service",
    "getty-static.service",
    "e2scrub_reap.service",
    "e2scrub_all.timer",
    "fstrim.timer",
    "dpkg-db-backup.timer",
    "getty@.service",
    "serial-getty@.service",
    "systemd-logind.service",  # nobody has a password
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "systemd-networkd-wait-online.service",
)
UNUSED = (
    "usr/share/man",
    "usr/share/info",
    "usr/share/locale",
    "usr/share/lintian",
    "usr/lib/klibc",
    "usr/lib/modules/*/kernel/sound",
    "usr/lib/modules/*/kernel/drivers/infiniband",
    *(f"usr/lib/modules/*/kernel/drivers/gpu/drm/{card}" for card in ("amd", "nouveau", "radeon")),
    *(
        f"usr/lib/modules/*/kernel/{part}"
        for part in ("net/bluetooth", "net/mac80211", "net/wireless")
    ),
    "usr/lib/modules/*/kernel/drivers/bluetooth",
    "usr/lib/modules/*/kernel/drivers/net/wireless",
    "usr/lib/modules/*/kernel/drivers/net/ethernet/[!b]*",
    "usr/lib/modules/*/kernel/drivers/scsi/[!s]*",
)
"""What a node on a cable, with a USB camera or a serial adapter, does not need (radio firmware is
not in it either).
"""
FILES = {
    "etc/hostname": "latentlink\n",
    "etc/machine-id": "",  # empty, not "uninitialized": systemd makes one and asks nobody
    "etc/fstab": f"LABEL={ROOT_LABEL} / ext4 rw,noatime 0 1\n"
    f"LABEL={BOOT_LABEL} /boot/firmware vfat ro,nofail,x-systemd.device-timeout=300 0 2\n",
    "etc/systemd/journald.conf.d/latentlink.conf": "[Journal]\nStorage=volatile\n"
    "RuntimeMaxUse=16M\n",
    "etc/systemd/system.conf.d/latentlink.conf": "[Manager]\nRuntimeWatchdogSec=15s\n",
    "etc/systemd/network/20-wired.network": "[Match]\nType=ether\n[Network]\nDHCP=yes\n",
    "etc/systemd/system/ssh.service.d/latentlink.conf": "[Unit]\nAfter=latentlink-install.service\n"
    "ConditionPathExists=/root/.ssh/authorized_keys\n"
    "[Service]\nRuntimeDirectory=sshd\nExecStartPre=\nExecStartPre=/usr/bin/ssh-keygen -A\n",
    "etc/ssh/sshd_config.d/latentlink.conf": "UsePAM no\nPasswordAuthentication no\n"
    "PermitRootLogin prohibit-password\n",
    "usr/lib/sysusers.d/latentlink-sshd.conf": 'u sshd - "sshd" /run/sshd /usr/sbin/nologin\n',
}
COMPILED = "compiled"
"Tells latentlink-compile.service that there is nothing left to do."
COMPILE = """
import importlib.util, marshal, sys
from pathlib import Path
root, *folders = map(Path, sys.argv[1:])
for path in sorted(path for folder in folders for path in folder.rglob("*.py")):
    source = path.read_bytes()
    try:
        code = compile(source, f"/{path.relative_to(root)}", "exec", dont_inherit=True, optimize=0)
    except (SyntaxError, ValueError):
        continue
    cache = Path(importlib.util.cache_from_source(path))
    cache.parent.mkdir(exist_ok=True)
    unchecked_hash = (1).to_bytes(4, "little") + importlib.util.source_hash(source)
    cache.write_bytes(importlib.util.MAGIC_NUMBER + unchecked_hash + marshal.dumps(code, 2))
"""
"""What compileall does, but the same bytes each time: in one order, and without the references of
marshal's later versions, which depend on what else its process has seen. Another patch release of
Python compiles otherwise: an image names the one that made it.
"""


@dataclass(frozen=True)
class Debian:
    """Which Debian, from where."""

    suite: str = "bookworm"
    mirror: str = ""
    "Serves /debian and /debian-security as of a day; empty: mmdebstrap's own."

    @property
    def python(self) -> str:
        return PYTHON_OF[self.suite]

    @property
    def sources(self) -> list[str]:
        if not self.mirror:
            return []
        archives = [("debian", self.suite), ("debian", f"{self.suite}-updates")]
        archives.append(("debian-security", f"{self.suite}-security"))
        return [
            f"deb {self.mirror}/{archive} {suite} {' '.join(COMPONENTS)}"
            for archive, suite in archives
        ]


def fetch(debian: Debian, work: Path) -> Path:
    """WORK/debian-SUITE-….tar, the unpacked packages: remove it to take up Debian's updates."""
    request = hashlib.sha256(" ".join([*PACKAGES, *debian.sources]).encode()).hexdigest()
    archive = work / f"debian-{debian.suite}-{request[:8]}.tar"
    if archive.exists():
        return archive
    command = [
        find("mmdebstrap"),
        "--quiet",
        "--mode=root",
        "--variant=extract",
        "--format=tar",
        "--architectures=arm64",
    ]
    if debian.suite == "bookworm":
        command.append(f"--hook-dir={MERGED_USR}")
    command += [
        f"--components={','.join(COMPONENTS)}",
        "--include=?essential",
        f"--include={','.join(PACKAGES)}",
    ]
    environment = os.environ | {"SOURCE_DATE_EPOCH": str(EPOCH_S)}
    with durable.whole(archive) as unfinished:
        command += [debian.suite, str(unfinished), *debian.sources]
        done = run_within(DOWNLOAD_DEADLINE_S, command, environment=environment)
        if done.returncode:
            where = f" from {debian.mirror}" if debian.mirror else ""
            is_unreachable = any(mark in done.stderr for mark in UNREACHABLE)
            raise (UnreachableError if is_unreachable else FlashError)(
                f"Debian {debian.suite} cannot be fetched{where}: {last_words(done.stderr)}"
            )
    return archive


def make_root(debian_archive: Path, release: Release, root: Path) -> None:
    """Debian and the release, ready to start, in `root`; owners need root or fakeroot."""
    root.mkdir()
    try:
        with tarfile.open(debian_archive) as archive:
            archive.extractall(root, filter="fully_trusted")
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise FlashError(
            f"{debian_archive} is damaged ({error}); delete it to have it fetched again"
        ) from None
    _finish_packages(root)
    write(root / PACKAGE_LIST, json.dumps(_source_packages(root), indent=2) + "\n")
    _remove(root)
    for name, content in FILES.items():
        write(root / name, content)
    _add_release(root, release)
    _enable(root)
    if release.python == HOST_PYTHON:
        _compile(root, root / OPT / "releases" / release.id)
    run("depmod", "-b", root, kernel_version(root))


def kernel_version(root: Path) -> str:
    [version] = (path.name for path in (root / "usr/lib/modules").iterdir())
    return version


def _source_packages(root: Path) -> dict[str, str]:
    """Name and version of every Debian source package inside, by changelogs: no list is left."""
    found = {}
    for pattern in ("changelog.Debian*.gz", "changelog.gz"):
        for path in (root / "usr/share/doc").glob(f"*/{pattern}"):
            with gzip.open(path, "rt", errors="replace") as changelog:
                entry = re.match(r"(\S+) \((\S+)\) ", changelog.readline())
            if entry:
                found[entry[1]] = entry[2]
    return dict(sorted(found.items()))


def write(path: Path, content: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    path.chmod(mode)


def _remove(root: Path) -> None:
    for pattern in UNUSED:
        for path in root.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for path in sorted((root / "usr/share/doc").rglob("*"), reverse=True):  # licences stay
        if path.is_dir() and not path.is_symlink():
            path.rmdir() if not any(path.iterdir()) else None
        elif path.name not in ("copyright", "packages.json"):
            path.unlink()


def _finish_packages(root: Path) -> None:
    """What the set-up scripts of Debian's packages would have done."""
    for name in ("passwd", "group"):
        shutil.copyfile(root / f"usr/share/base-passwd/{name}.master", root / "etc" / name)
    users = (root / "etc/passwd").read_text().splitlines()
    write(
        root / "etc/shadow",
        "".join(f"{line.split(':')[0]}:*:19000:0:99999:7:::\n" for line in users),
        0o640,
    )
    for link, target in {"usr/bin/sh": "dash", "usr/bin/awk": "mawk"}.items():
        if not (root / link).is_symlink():
            (root / link).symlink_to(target)
    shutil.copyfile(root / "usr/share/openssh/sshd_config", root / "etc/ssh/sshd_config")
    for folder in ("boot/firmware", "proc", "sys", "dev", "run"):
        (root / folder).mkdir(parents=True, exist_ok=True)


def _add_release(root: Path, release: Release) -> None:
    """As install.sh does it on a card of Raspberry Pi OS."""
    folder = root / OPT / "releases" / release.id
    unpack(release.archive, folder)
    (root / OPT / "current").symlink_to(f"releases/{release.id}")
    for unit in (folder / UNITS).glob("*.service"):
        shutil.copyfile(unit, root / "etc/systemd/system" / unit.name)
    shutil.copyfile(folder / UNITS / "install.sh", root / OPT / "install.sh")
    shutil.copyfile(folder / UNITS / "sysusers.conf", root / "usr/lib/sysusers.d/latentlink.conf")


def _compile(root: Path, release: Path) -> None:
    """Python's own cache, which a node that may not write its programs could not keep."""
    command = [
        sys.executable,
        "-c",
        COMPILE,
        str(root),
        str(root / f"usr/lib/python{HOST_PYTHON}"),
        str(release),
    ]
    subprocess.run(
        command, env=os.environ | {"PYTHONHASHSEED": "0"}, check=True, stderr=subprocess.DEVNULL
    )
    write(release / COMPILED, "")


def _enable(root: Path) -> None:
    system = root / "etc/systemd/system"
    wants = system / "multi-user.target.wants"
    wants.mkdir(parents=True, exist_ok=True)
    for unit in ENABLED:
        home = "/etc" if unit.startswith("latentlink") else "/usr/lib"
        (wants / unit).symlink_to(f"{home}/systemd/system/{unit}")
    (system / "default.target").symlink_to("/usr/lib/systemd/system/multi-user.target")
    for unit in MASKED:
        (system / unit).unlink(missing_ok=True)
        (system / unit).symlink_to("/dev/null")
