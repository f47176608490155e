"""What only an RN2483 wants of its carrier."""

from tests.link.carriers.test_carrier import RN2483_UP
from tests.worlds.virtual import Script


def test_an_rn2483_gives_the_others_time_to_hand_over_a_frame_before_it_sends_the_next(world):
    here = world("rn2483-sf7")
    node = here.open("a")
    node.send(bytes(255))
    waited_s = here.elapsed_s(lambda: node.send(bytes(1))) - here.profile.airtime_s(1)
    assert waited_s > 2 * 255 * 10 / 57_600
    here.sleep(1.0)
    assert here.elapsed_s(lambda: node.send(bytes(1))) - here.profile.airtime_s(1) < 0.02


def test_an_rn2483_is_told_everything_that_the_profile_says(world):
    script = Script(*RN2483_UP)
    world("rn2483-sf9", line=script).open("a", frequency_hz=869_525_000)
    told = script.written.decode().split("\r\n")
    settings = {line.split()[2]: line.split()[3] for line in told if line.startswith("radio set")}
    assert settings == {
        **{"mod": "lora", "freq": "869525000", "pwr": "14", "sf": "sf9", "bw": "125", "cr": "4/5"},
        **{"crc": "on", "prlen": "8", "sync": "12", "iqi": "off", "wdt": "0"},
    }
    assert told.index("mac pause") < told.index("radio set mod lora") < told.index("radio rx 0")
