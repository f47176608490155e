import pytest

from device.flash.partitions import (
    FAT32,
    LINUX,
    MIB,
    FatPartition,
    Partition,
    make_table,
    read_table,
)
from device.flash.tools import FlashError
from tests.device.flash.conftest import TRIXIE

PARTS = [Partition(FAT32, 4 * MIB, 252 * MIB), Partition(LINUX, 256 * MIB, 768 * MIB)]


def test_a_table_reads_back_as_it_was_made(tmp_path):
    (tmp_path / "disk").write_bytes(make_table(PARTS, disk_id=7))
    assert read_table(tmp_path / "disk") == PARTS


def test_a_table_has_the_bytes_that_sfdisk_knows():
    table = make_table(PARTS, disk_id=0x12345678)
    assert table[440:446].hex() == "785634120000"
    assert (
        table[446:462].hex() == "80feffff0cfeffff0020000000e00700"
    )  # bootable, FAT32 LBA, sector 8192, 516096 of them
    assert table[510:].hex() == "55aa"


@pytest.mark.parametrize("content", [b"", b"nothing", bytes(512)])
def test_what_has_no_table_is_refused(tmp_path, content):
    (tmp_path / "disk").write_bytes(content)
    with pytest.raises(FlashError, match="no partition table; write Raspberry Pi OS or our image"):
        read_table(tmp_path / "disk")


def test_a_gpt_disk_is_refused(tmp_path):
    (tmp_path / "disk").write_bytes(make_table([Partition(0xEE, 512, 1 << 30)], disk_id=0))
    with pytest.raises(FlashError, match="GPT"):
        read_table(tmp_path / "disk")


def test_files_go_into_a_fat_partition_and_come_back(make_card):
    boot = FatPartition(make_card(TRIXIE))
    boot.write("latentlink/bundle/tables.npz", bytes(range(256)) * 100)
    boot.write("latentlink/bundle/tables.npz", b"replaced")
    assert boot.read("latentlink/bundle/tables.npz") == b"replaced"
    assert boot.names("latentlink") == ["bundle"]
    assert set(boot.names()) == {*TRIXIE, "latentlink"}
