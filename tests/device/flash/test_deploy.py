"""Deploying to a real sshd on loopback. Its node is a folder, whose Python says that it is a
Pi's.
"""

import getpass
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from device.flash import deploy as deploy_module
from device.flash.deploy import Node, deploy_release
from device.flash.release import Release, write_archive
from device.flash.tools import FlashError
from tests.programs import needs, program

pytestmark = needs("sshd", "ssh", "ssh-keygen", "sh")

SELFTEST = "import sys\nsys.exit({code})\n"
PYTHON = """#!/bin/sh
case "$*" in *platform*) echo {answer} ;; *) exec {python} "$@" ;; esac
"""
OTHER_SHELL = """#!{python}
import os, shlex, sys
line = os.environ["SSH_ORIGINAL_COMMAND"]
is_plain = line == "exec sh -c " + shlex.quote(shlex.split(line)[-1])
if not is_plain or chr(92) in line or chr(10) in line:
    sys.exit("shell: unsupported syntax: " + line)
os.execvp("sh", ["sh", "-c", line])
"""
SYSTEMCTL = """#!/bin/sh
# The service becomes ready unless its release is one that does not start.
echo "$@" >>{log}
case "$1" in
    is-active) [ ! -e {current}/broken ] ;;
    show) if [ -e {current}/broken ]; then echo 3; else echo 0; fi ;;
esac
"""


@pytest.fixture
def sshd(tmp_path):
    """Starts sshd; yields the options for ssh."""
    for name in ("host", "me"):
        subprocess.run(
            [program("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / name],
            check=True,
        )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (tmp_path / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {tmp_path}/host\nAuthorizedKeysFile "
        f"{tmp_path}/me.pub\n"
        f"PidFile none\nStrictModes no\nUsePAM no\n"
    )
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    server = subprocess.Popen(
        [program("sshd"), "-D", "-e", "-f", tmp_path / "sshd_config"], stderr=subprocess.PIPE
    )
    for _ in range(100):
        with socket.socket() as line:
            if line.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    known = ["-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={tmp_path}/known"]
    yield ["-F", "none", "-p", str(port), "-i", str(tmp_path / "me"), *known]
    server.terminate()
    server.wait()


@pytest.fixture
def node(sshd, tmp_path):
    """A node that runs release 'old' and bundle 'old'."""
    root = tmp_path / "root"
    for folder, link in (("releases", "current"), ("bundles", "bundle")):
        (root / "opt/latentlink" / folder / "old/device/unit").mkdir(parents=True)
        (root / "opt/latentlink" / link).symlink_to(f"{folder}/old")
    (root / "opt/latentlink/current/device/unit/selftest.py").write_text(SELFTEST.format(code=0))
    (tmp_path / "systemctl").write_text(
        SYSTEMCTL.format(log=tmp_path / "systemctl.log", current=root / "opt/latentlink/current")
    )
    (tmp_path / "systemctl").chmod(0o755)
    answers(tmp_path, "3 11 aarch64 1000")
    return Node(
        f"{getpass.getuser()}@127.0.0.1",
        sshd,
        str(root),
        str(tmp_path / "systemctl"),
        str(tmp_path / "python3"),
    )


def answers(tmp_path: Path, answer: str) -> None:
    python = tmp_path / "python3"
    python.write_text(PYTHON.format(answer=answer, python=sys.executable))
    python.chmod(0o755)


@pytest.fixture
def make_release(tmp_path, monkeypatch):
    """Makes the next release one whose self-test ends with that code, and which may not start."""

    def make(name: str, code: int = 0, starts: bool = True) -> None:
        files = {"device/unit/selftest.py": SELFTEST.format(code=code).encode()} | (
            {} if starts else {"broken": b""}
        )
        archive = tmp_path / f"{name}.tar.gz"
        write_archive(archive, files)
        monkeypatch.setattr(
            deploy_module, "make_release", lambda *_: Release(name, "3.11", {}, archive)
        )

    return make


def current(node: Node) -> str:
    return os.readlink(f"{node.root}/opt/latentlink/current")


def test_a_release_that_works_takes_over(node, make_release, tmp_path):
    said: list[str] = []
    for name in ("one", "two"):
        make_release(name)
        deploy_release(node, tmp_path, "", said.append)
    assert current(node) == "releases/two"
    assert said[-1] == "release two runs (before: one)"
    # and 'old' is gone
    assert sorted(os.listdir(f"{node.root}/opt/latentlink/releases")) == ["one", "two"]


def test_a_release_that_fails_its_test_never_runs(node, make_release, tmp_path):
    make_release("bad", code=1)
    with pytest.raises(FlashError, match="release bad does not work on this node, so old goes on"):
        deploy_release(node, tmp_path, "", lambda text: None)
    assert current(node) == "releases/old"
    assert os.listdir(f"{node.root}/opt/latentlink/releases") == ["old"]
    assert not (tmp_path / "systemctl.log").exists()


def test_a_release_that_does_not_start_is_taken_back(node, make_release, tmp_path):
    make_release("bad", starts=False)
    with pytest.raises(FlashError, match="release bad does not start; old runs again"):
        deploy_release(node, tmp_path, "", lambda text: None)
    assert current(node) == "releases/old"


def test_half_a_release_is_refused(node, make_release, tmp_path, monkeypatch):
    make_release("half")
    run = Node.run

    def cut(self: Node, command: str, input: bytes = b"") -> str:
        return run(self, command, input[:-9] if " release half " in command else input)

    monkeypatch.setattr(Node, "run", cut)
    with pytest.raises(FlashError, match="it arrived damaged or not whole; deploy again"):
        deploy_release(node, tmp_path, "", lambda text: None)
    assert current(node) == "releases/old"
    assert os.listdir(f"{node.root}/opt/latentlink/releases") == ["old"]


def test_while_a_release_is_being_proved_the_node_knows_what_to_go_back_to(
    node, make_release, tmp_path
):
    """update.sh ends while it waits for the service; install.sh finds its note at the next boot."""
    make_release("slow", starts=False)
    systemctl = Path(node.systemctl)
    systemctl.write_text(systemctl.read_text().replace("is-active)", "is-active) kill -9 $PPID;"))
    with pytest.raises(FlashError):
        deploy_release(node, tmp_path, "", lambda text: None)
    assert current(node) == "releases/slow"
    assert Path(f"{node.root}/opt/latentlink/current.undo").read_text() == "releases/old\n"


@pytest.mark.parametrize("answer", ["3 9 aarch64 0", "3 11 armv7l 0"])
def test_a_node_without_wheels_is_refused_before_anything_is_sent(node, tmp_path, answer):
    answers(tmp_path, answer)
    with pytest.raises(FlashError, match="there are wheels for aarch64 with Python"):
        deploy_release(node, tmp_path, "", lambda text: None)


def test_an_answer_that_is_none_is_shown(node, tmp_path):
    answers(tmp_path, "Welcome to this machine of ours")
    with pytest.raises(
        FlashError, match=r"answers .Welcome to this machine of ours. to a question for its Python"
    ):
        deploy_release(node, tmp_path, "", lambda text: None)


def test_an_account_with_another_shell_than_sh_is_deployed_to(node, make_release, tmp_path):
    """From fish and csh no syntax is asked but a command with words in single quotes."""
    shell = tmp_path / "shell"
    shell.write_text(OTHER_SHELL.format(python=sys.executable))
    shell.chmod(0o755)
    (tmp_path / "me.pub").write_text(f'command="{shell}" {(tmp_path / "me.pub").read_text()}')
    make_release("one")
    deploy_release(node, tmp_path, "", lambda text: None)
    assert current(node) == "releases/one"


def test_a_node_that_does_not_answer_is_given_up(node, make_release, tmp_path, monkeypatch):
    """Its ssh is ended with all that it started."""
    monkeypatch.setattr(deploy_module, "ANSWER_S", 1.0)
    Path(node.python).write_text("#!/bin/sh\nexec sleep 60\n")
    begun_s = time.monotonic()
    with pytest.raises(
        FlashError, match=r"127\.0\.0\.1: .*ssh .* has not ended in 1 s and was stopped"
    ):
        deploy_release(node, tmp_path, "", lambda text: None)
    assert time.monotonic() - begun_s < 20


def test_a_node_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FlashError, match=r"nobody@127\.0\.0\.1: ssh: connect to host"):
        deploy_release(
            Node("nobody@127.0.0.1", ["-F", "none", "-p", "1"]), tmp_path, "", lambda text: None
        )
