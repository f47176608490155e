from pathlib import Path

from device.flash.boot import MACHINES, qemu_command
from tests.device.flash.conftest import FIRMWARE

FILES = FIRMWARE | {
    "initramfs8": "initrd",
    "cmdline.txt": "root=LABEL=latentlink ro\n",
    "bcm2837-rpi-3-b.dtb": "tree",
}


def test_what_starts_is_what_the_image_holds(make_card, tmp_path, monkeypatch):
    monkeypatch.setattr("device.flash.boot.find", lambda tool: tool)
    words = qemu_command(
        make_card(FILES), tmp_path, tmp_path / "tty", MACHINES["raspi3b"], keeps=False
    )
    for option, content in {"-kernel": "kernel", "-initrd": "initrd", "-dtb": "tree"}.items():
        assert Path(words[words.index(option) + 1]).read_text() == content
    assert words[words.index("-append") + 1].startswith("root=LABEL=latentlink ro console=ttyS1")
    assert f"file={tmp_path}/card.img,format=raw,if=sd,snapshot=on" in words
    assert words[-4:] == ["-serial", "chardev:line", "-serial", "chardev:console"]
