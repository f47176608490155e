"""Folder: all that a run's server needs, in files: what it agreed on with its devices, whose keys
it knows, and where it stands.

    shared/            for every device: settings.json, network.json, initial.npy, server.pub
                       (device/training/run_folder.py)
    layout.json        names and shapes of what is trained, in order
    server.key         signs the server's messages
    devices/3.pub      device 3's key: only who has one is listened to
    rules.json         optional: how long a round waits, and for what (rules.Rules)
    gateways.json      where devices are: [{"number": 0, "node": …, "devices": [0, 1, 2, 3]}]
    server/            where the run stands
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from host_training.distributed.server.rules import Rules
from host_training.distributed.server.server import Server
from link.base import durable
from link.security import signature
from link.update import Layout, RunSettings

SHARED, DEVICES, STATE = "shared", "devices", "server"
SETTINGS, NETWORK, INITIAL, SERVER = "settings.json", "network.json", "initial.npy", "server.pub"
LAYOUT, SERVER_KEY, GATEWAYS = "layout.json", "server.key", "gateways.json"
RULES = "rules.json"


@dataclass(frozen=True)
class Gateway:
    """Where some devices are reached."""

    number: int
    node: int
    "The number that Flower gave its SuperNode when the key was registered."
    devices: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Folder:
    """What is in a run's folder."""

    path: Path
    settings: RunSettings
    layout: Layout
    initial: np.ndarray
    "float32 (P,)"
    key: Ed25519PrivateKey
    devices: Mapping[int, Ed25519PublicKey]
    gateways: tuple[Gateway, ...]
    rules: Rules = field(default_factory=Rules)

    @classmethod
    def create(
        cls,
        path: Path,
        settings: RunSettings,
        network: str,
        parameters: Mapping[str, tuple[int, ...]],
        initial: np.ndarray,
    ) -> None:
        """A new run without devices. `network`, `parameters`: text of its description, and shapes
        by names (network.Described); `initial`: float32 (P,). A key that is there stays.
        """
        for part in (SHARED, DEVICES, STATE):
            (path / part).mkdir(parents=True, exist_ok=True)
        key = signature.make_key(path / SERVER_KEY)
        durable.write(path / SHARED / SERVER, signature.signer_text(key))
        durable.write(path / SHARED / SETTINGS, settings.to_json())
        durable.write(path / SHARED / NETWORK, network)
        with durable.whole(path / SHARED / INITIAL) as unfinished, unfinished.open("wb") as file:
            np.save(file, initial)
        durable.write(path / LAYOUT, json.dumps(parameters))

    @classmethod
    def read(cls, path: Path) -> "Folder":
        """ValueError or OSError with what is missing."""
        names = json.loads((path / LAYOUT).read_text())
        layout = Layout(tuple(names), tuple(map(tuple, names.values())))
        gateways = json.loads((path / GATEWAYS).read_text())
        return cls(
            path,
            RunSettings.from_json((path / SHARED / SETTINGS).read_text()),
            layout,
            layout.fit(np.load(path / SHARED / INITIAL)),
            signature.read_key(path / SERVER_KEY),
            {int(each.stem): read_public(each) for each in (path / DEVICES).glob("*.pub")},
            tuple(Gateway(one["number"], one["node"], tuple(one["devices"])) for one in gateways),
            _read_rules(path / RULES),
        )

    def server(self, now_s: float) -> Server:
        """Where the run stands."""
        return Server(
            self.settings,
            self.layout,
            self.initial,
            self.key,
            self.devices,
            self.path / STATE,
            self.rules,
            now_s=now_s,
        )


def write_gateways(path: Path, gateways: Sequence[Gateway]) -> None:
    durable.write(path / GATEWAYS, json.dumps([asdict(gateway) for gateway in gateways]))


def _read_rules(path: Path) -> Rules:
    """ValueError for what are none."""
    if not path.exists():
        return Rules()
    said, known = json.loads(path.read_text()), asdict(Rules())
    for name, value in said.items():
        if name not in known:
            raise ValueError(f"{path} has a rule {name}; the rules are {', '.join(known)}")
        kinds = (int, type(None)) if known[name] is None else (type(known[name]),)
        is_number = float in kinds and type(value) is int
        if not is_number and type(value) not in kinds:
            raise ValueError(f"{path}: {name} is {value!r}, and usually {known[name]!r}")
    return Rules(**said)


def read_public(path: Path) -> Ed25519PublicKey:
    """A device's key; ValueError where it is none."""
    try:
        return Ed25519PublicKey.from_public_bytes(bytes.fromhex(path.read_text()))
    except ValueError:
        raise ValueError(f"{path} is no public key; copy the device's own there") from None
