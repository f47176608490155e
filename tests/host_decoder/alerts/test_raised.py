"""`latentlink host alerts`: what is raised, read from beside the store."""

import subprocess
import sys

import pytest

from host_decoder.alerts.observed import Observation
from host_decoder.alerts.raised import alert_lines, raised_alerts
from host_decoder.alerts.rule import read_rule
from host_decoder.alerts.watch import FILE, Watch
from host_decoder.errors import HostError
from tests.worlds.heard import told
from tests.worlds.small_host import KEY, NODE


def test_what_is_raised_is_said_with_its_age(node_entry, tmp_path):
    assert raised_alerts(tmp_path) == ([], {})
    observation = Observation([node_entry], 0.0)
    watch = Watch([read_rule({"kind": "fault"})], observation, tmp_path / FILE)
    observation.hear(told(fault="no camera"))
    watch.check(100.0)
    raised, muted_s = raised_alerts(tmp_path)
    assert list(alert_lines(raised, muted_s, True, 700.0)) == [
        f"fault: node {NODE} captures nothing: no camera (since 10 min)"
    ]
    assert list(alert_lines([], {}, True, 0.0)) == ["no alert is raised"]
    assert "has no [[alert]]" in next(alert_lines([], {}, False, 0.0))
    (tmp_path / FILE).write_text("{}")
    with pytest.raises(HostError, match=r"alerts.json cannot be read"):
        raised_alerts(tmp_path)


def test_the_command(tmp_path, bundle):
    (tmp_path / "node.key").write_text(KEY.hex())
    (tmp_path / "host.toml").write_text(
        f'[link]\nport = "/dev/ttyUSB0"\n[[alert]]\nkind = "fault"\n'
        f'[[node]]\nnode = {NODE}\nkey = "node.key"\nbundle = "{bundle.path}"\n'
    )
    command = [sys.executable, "-m", "host_decoder", "alerts", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "no alert is raised\n"
