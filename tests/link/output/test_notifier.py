"""What a program tells the service manager reaches it, and where there is none nothing happens."""

import socket

import pytest

from link.output.notifier import Notifier


def test_systemd_hears_what_is_said(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify")})
        notifier.ready()
        notifier.worked()
        notifier.status("two\nlines")
        notifier.stopping()
        assert [manager.recv(99) for _ in range(4)] == [
            b"READY=1",
            b"WATCHDOG=1",
            b"STATUS=two lines",
            b"STOPPING=1",
        ]


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": "/nowhere/notify"}])
def test_a_program_works_where_nobody_listens(environment):
    Notifier(environment).worked()


def test_only_what_a_service_manager_started_is_heard():
    assert Notifier({"NOTIFY_SOCKET": "/run/systemd/notify"}).is_heard
    assert not Notifier({}).is_heard
