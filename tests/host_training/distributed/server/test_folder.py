"""A run's folder gives the server that was put into it."""

from pathlib import Path

import pytest

from host_training.distributed.server.folder import Folder, Gateway, write_gateways
from host_training.distributed.server.rules import Rules
from link.security import signature
from link.update import weights_hash
from tests.worlds.small_global import World, key


def create(path: Path, world: World) -> None:
    layout = world.flat.layout
    parameters = dict(zip(layout.names, layout.shapes, strict=True))
    Folder.create(path, world.settings, "[]", parameters, world.initial)


def test_a_server_out_of_its_folder_is_the_one_that_was_put_there_and_goes_on(tmp_path):
    world = World(n_devices=3, n_rounds=3)
    create(tmp_path, world)
    for number in range(3):
        (tmp_path / "devices" / f"{number}.pub").write_text(signature.signer_text(key(number)))
    write_gateways(tmp_path, [Gateway(0, 1 << 63, (0, 1)), Gateway(1, 77, (2,))])

    folder = Folder.read(tmp_path)
    assert folder.settings == world.settings
    assert folder.layout == world.flat.layout
    assert folder.gateways == (Gateway(0, 1 << 63, (0, 1)), Gateway(1, 77, (2,)))
    server = folder.server(0.0)
    assert server.hash == weights_hash(world.initial)

    for device in world.devices:
        server.receive(device.update(), 1.0)
    assert server.close(1.0) is not None
    assert Folder.read(tmp_path).server(0.0).hash == server.hash


def test_the_keys_stay_when_the_folder_is_made_again(tmp_path):
    world = World(n_devices=1)
    for _ in range(2):
        create(tmp_path, world)
        key_text = (tmp_path / "server.key").read_text()
        assert (tmp_path / "server.key").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "server.key").read_text() == key_text
    assert (tmp_path / "shared" / "server.pub").read_text() == signature.signer_text(
        signature.read_key(tmp_path / "server.key")
    )


def test_a_file_that_is_no_key_is_named(tmp_path):
    world = World(n_devices=1)
    create(tmp_path, world)
    write_gateways(tmp_path, [])
    (tmp_path / "devices" / "0.pub").write_text("nonsense")
    with pytest.raises(ValueError, match=r"0\.pub is no public key"):
        Folder.read(tmp_path)


def test_rules_of_a_run_are_read_and_what_is_none_is_named(tmp_path):
    create(tmp_path, World(n_devices=1))
    write_gateways(tmp_path, [])
    assert Folder.read(tmp_path).rules == Rules()
    rules = tmp_path / "rules.json"
    rules.write_text('{"longest_s": 86400, "delay": 2}')
    assert Folder.read(tmp_path).rules == Rules(longest_s=86400, delay=2)
    for text, why in (('{"longest": 1}', "a rule longest"), ('{"delay": "2"}', "delay is '2'")):
        rules.write_text(text)
        with pytest.raises(ValueError, match=why):
            Folder.read(tmp_path)
