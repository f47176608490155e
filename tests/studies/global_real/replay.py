"""The same run once more, in one process: the server counts the updates that it counted before, and
the devices train in the rounds in which they did. Server, devices' ends and learners are the real
ones; there are no sockets, no clock, and nobody dies.

It is a process of its own, with one thread for the products of matrices as the devices have: with
two the same sums are rounded otherwise.
"""

import json
import os
import subprocess
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

from device.training.learner import Learner
from device.training.run_folder import RunFolder
from device.training.shard import Shard
from host_training.distributed.server.folder import SHARED, Folder
from host_training.distributed.server.server import Server
from link.security import signature
from link.update.device_end import DeviceEnd
from tests.studies.global_real.devices import ONE_THREAD, Place
from tests.studies.global_real.liar import Liar


def replayed_hash(run: Path, places: Sequence[Place], liars: Collection[int] = ()) -> str:
    """Hex digits of the hash with which `replay` ends, in a process with one thread."""
    said = json.dumps([str(run), [[str(each.folder), each.number] for each in places], [*liars]])
    command = [sys.executable, "-m", "tests.studies.global_real.replay", said]
    done = subprocess.run(
        command, env={**os.environ, **ONE_THREAD}, check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout.strip()


def replay(run: Path, places: Sequence[Place], liars: Collection[int] = ()) -> Server:
    """A server that has gone through all rounds that the one in that folder has; KeyError where it
    counted an update that no device says it made.
    """
    folder, shared = Folder.read(run), RunFolder(run / SHARED)
    real = folder.server(0.0)
    server = Server(folder.settings, folder.layout, folder.initial, folder.key, folder.devices)
    devices = {place.number: _device(place, shared, place.number in liars) for place in places}
    trained = {place.number: place.trained() for place in places}
    updates: dict[tuple[int, int], bytes] = {}
    for round_, accepted in enumerate(real.accepted):
        for number, (end, learner) in devices.items():
            if round_ in trained[number]:
                updates[number, round_] = _train(server, number, end, learner)
        for which in accepted:
            server.receive(updates[which], 0.0)
        server.close_with(accepted)
    return server


def _device(place: Place, shared: RunFolder, is_liar: bool) -> tuple[DeviceEnd, Learner]:
    settings, network = shared.settings, shared.network
    key, initial = signature.read_key(place.key), shared.initial
    end = DeviceEnd(settings, shared.layout, place.number, key, shared.server, initial)
    images = Shard(
        place.shard,
        network.image.shape,
        network.n_classes,
        settings.batch_images,
        (settings.seed, place.number),
        settings.crop_pixels,
        settings.has_flips,
    )
    return end, (Liar if is_liar else Learner)(network, images, settings)


def _train(server: Server, number: int, end: DeviceEnd, learner: Learner) -> bytes:
    if told := server.message_for(number, end.round_):
        end.take(told)
    work = end.work()
    assert work is not None, f"device {number} says that it trained in round {end.round_}"
    learner.forget(work.sent)
    if work.statistics is not None:
        learner.freeze(work.statistics)
    return end.give(learner.train(work.weights, work.round_))


def _answer() -> None:
    run, places, liars = json.loads(sys.argv[1])
    found = replay(Path(run), [Place(Path(folder), number) for folder, number in places], liars)
    print(found.hash.hex())


if __name__ == "__main__":
    _answer()
