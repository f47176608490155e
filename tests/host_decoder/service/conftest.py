"""A host folder with one node, as flashing leaves it."""

from pathlib import Path

import pytest

from host_decoder.service.beginning import begin
from tests.worlds.small_host import KEY, NODE


@pytest.fixture
def host(tmp_path, bundle) -> Path:
    """host.toml in it; its port is never there."""
    folder = tmp_path / "host folder"
    begin(folder, {"profile": "serial-9600", "port": "/dev/ttyUSB99"})
    (folder / "keys" / f"node-{NODE}.key").write_text(KEY.hex())
    (folder / "nodes" / f"{NODE}.toml").write_text(
        f'node = {NODE}\nkey = "keys/node-{NODE}.key"\nbundle = "{bundle.path}"\n'
    )
    return folder / "host.toml"
