import gzip
import lzma
import subprocess

import pytest

from device.flash.initrd import make_initrd
from tests.programs import program


@pytest.fixture
def root(tmp_path):
    """A tree with three modules, one of them packed, where ext4 needs the two others."""
    folder = tmp_path / "usr/lib/modules/6.1"
    folder.mkdir(parents=True)
    (tmp_path / "usr/bin").mkdir()
    (tmp_path / "usr/bin/busybox").write_bytes(b"busybox")
    (folder / "modules.dep").write_text(
        "fs/ext4.ko: fs/jbd2.ko lib/crc16.ko.xz\nfs/jbd2.ko:\nlib/crc16.ko.xz:\n"
    )
    for name in ("fs/ext4.ko", "fs/jbd2.ko"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(name.encode())
    (folder / "lib").mkdir()
    (folder / "lib/crc16.ko.xz").write_bytes(lzma.compress(b"crc16"))
    return tmp_path


def test_modules_load_after_what_they_need_and_unpacked(root, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    archive = gzip.decompress(make_initrd(root, "6.1"))
    subprocess.run(
        [program("cpio"), "-i", "-d", "--quiet", "--no-absolute-filenames"],
        input=archive,
        cwd=out,
        check=True,
    )
    assert (out / "modules/order").read_text().split() == ["crc16.ko", "jbd2.ko", "ext4.ko"]
    assert (out / "modules/crc16.ko").read_bytes() == b"crc16"
    assert (out / "init").stat().st_mode & 0o777 == 0o755
    assert (out / "bin/busybox").read_bytes() == b"busybox"


def test_the_same_tree_gives_the_same_bytes(root):
    assert make_initrd(root, "6.1") == make_initrd(root, "6.1")
