"""A device that learns behind a narrow line: real processes, an emulated radio that loses frames,
and kills of both ends.
"""

import time

import pytest

from host_training.distributed.server.server import Server
from tests.scale import IS_NIGHTLY
from tests.worlds.far_device import FarDevice
from tests.worlds.learning_device import DEVICE

WAIT_S = 60.0


def an_update_comes(far: FarDevice, server: Server) -> None:
    until_s = time.monotonic() + WAIT_S
    while True:
        assert time.monotonic() < until_s, f"nothing of round {server.round_} came"
        said = far.say(server.message_for(DEVICE, max(server.round_ - 1, 0)))
        if said and server.authentic(said).round_ == server.round_:
            return server.receive(said, 0.0)
        time.sleep(0.1)


@pytest.mark.skipif(not IS_NIGHTLY, reason="many seconds: make nightly")
def test_rounds_pass_over_a_radio_that_loses_frames_and_both_ends_may_be_killed(tmp_path):
    with FarDevice(tmp_path, "lora-sf7", "0.15") as far:
        server = far.new_server()
        an_update_comes(far, server)
        assert server.close(0.0) is not None
        far.kill_gateway()
        far.start_gateway()
        far.device.kill()
        far.device.start()
        an_update_comes(far, server)
        assert server.close(0.0) is not None
    assert server.accepted == [((DEVICE, 0),), ((DEVICE, 1),)]
