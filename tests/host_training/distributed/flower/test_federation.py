"""What a federation does before Flower comes in; with Flower: tests/studies/global_real."""

import subprocess
import sys

import pytest

from host_training.distributed.flower.federation import (
    Federation,
    FederationError,
    LocalGateway,
    read_events,
)
from host_training.distributed.flower.serve import PROCESS
from host_training.distributed.server.folder import STATE

GATEWAYS = [LocalGateway((0, 1), "/run/a"), LocalGateway((2,), "/run/b")]  # type: ignore[arg-type]


def test_without_flower_it_says_what_installs_it(tmp_path):
    federation = Federation(tmp_path / "run", tmp_path / "nowhere", GATEWAYS)
    with federation, pytest.raises(FederationError, match="make global installs it"):
        federation.begin()


def test_a_run_keeps_its_ports_because_gateways_know_them(tmp_path):
    ports = [Federation(tmp_path, tmp_path, GATEWAYS).ports for _ in range(2)]
    assert ports[0] == ports[1]
    assert len({*ports[0]}) == 1 + len(GATEWAYS)


def test_a_line_that_is_still_being_written_is_not_read(tmp_path):
    assert read_events(tmp_path) == []
    (tmp_path / "rounds.jsonl").write_text('{"event": "begins"}\n{"event": "rou')
    assert read_events(tmp_path) == [{"event": "begins"}]


def test_who_serves_the_run_is_who_holds_its_folder(tmp_path):
    federation = Federation(tmp_path, tmp_path, GATEWAYS)
    (tmp_path / STATE).mkdir()
    (tmp_path / PROCESS).write_text("1")  # of a server that is gone
    assert federation.server_pid is None
    script = (
        "import sys, time; from link.base import FolderLock; "
        f"lock = FolderLock({str(tmp_path / STATE)!r}); print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as server:
        assert server.stdout
        server.stdout.readline()
        (tmp_path / PROCESS).write_text(str(server.pid))
        assert federation.server_pid == server.pid
        server.kill()
    assert federation.server_pid is None
