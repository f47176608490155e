"""Every command speaks on every terminal."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from export.encoder.tflite import FLATBUFFER_WORKER, TENSORFLOW_WORKER

ROOT = Path(__file__).parents[3]
PACKAGES = ("link", "device", "host_training", "export", "host_decoder", "latentlink")
SAYS = """
import sys
from link.output.terminal import readable_output
readable_output()
print(sys.argv[1])
print("·", sys.argv[1], file=sys.stderr)
"""


def run(*command: str, encoding: str, **more: str) -> subprocess.CompletedProcess:
    environment = os.environ | {"PYTHONIOENCODING": encoding} | more
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=environment, capture_output=True
    )


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("utf-8", "– ✓ … café 95 % ▀┏ 猫 Ω"),
        ("iso-8859-1", "- + ... café 95 % #+ ? ?"),
        ("ascii", "- + ... cafe 95 % #+ ? ?"),
        ("cp1252", "– + … café 95 % #+ ? ?"),
    ],
)
def test_what_a_terminal_lacks_is_put_in_signs_that_it_has(encoding, shown):
    done = run("-c", SAYS, "– ✓ … café 95 % ▀┏ 猫 Ω", encoding=encoding)
    assert (done.returncode, done.stdout.decode(encoding)) == (0, shown + "\n")
    assert done.stderr.decode(encoding).endswith(shown + "\n")


def test_a_file_name_that_is_no_text_is_shown():
    done = run("-c", SAYS, os.fsdecode(b"b\xff"), encoding="utf-8")
    assert (done.returncode, done.stdout) == (0, b"b?\n")


def test_whoever_reads_what_is_printed_may_stop():
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "link", "profiles"], cwd=ROOT, stdout=writer, stderr=subprocess.PIPE
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


def commands() -> list[Path]:
    """All but the process that the export runs and reads: it finds no package of ours, and speaks
    to no terminal.
    """
    files = [
        path
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        if path not in (FLATBUFFER_WORKER, TENSORFLOW_WORKER)
    ]
    return [
        path
        for path in files
        if re.search(r"^if __name__ == .__main__.:", path.read_text("utf-8"), re.M)
    ]


@pytest.mark.parametrize("path", commands(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_begins_with_it(path):
    text = path.read_text("utf-8")
    [body] = re.findall(r"^def main\(.*?\n(?=\S|\Z)", text, re.M | re.S) or [text]
    assert "readable_output()" in body


@pytest.mark.parametrize(
    "words",
    [
        ("-m", "link", "--help"),
        ("-m", "link", "profiles"),
        ("-m", "device", "--help"),
        ("-m", "device.flash", "--help"),
        ("-m", "device.flash", "card", "--help"),
        ("-m", "host_decoder", "live", "--help"),
        ("-m", "host_decoder", "stats", "nowhere–.sqlite"),
        ("-m", "export", "--help"),
    ],
    ids=" ".join,
)
def test_a_command_speaks_in_ascii(words):
    done = run(*words, encoding="ascii")
    said = (done.stdout + done.stderr).decode("ascii")
    assert done.returncode == ("nowhere" in words[-1])
    assert "Traceback" not in said
    assert "codec" not in said
