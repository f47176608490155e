"""How long an exchange takes: what is reckoned is what passes on the virtual channel."""

from pathlib import Path
from random import Random

import pytest

from host_decoder.learn import __main__, duration
from host_decoder.learn.duration import DOWN_BYTES, UP_BYTES, message_down, update_up
from link.medium.profiles import get_profile
from tests.worlds.far_mail import DEVICE, NODE, FarMail


@pytest.mark.parametrize("name", ["lora-sf7", "lora-sf12"])
def test_the_airtime_that_is_reckoned_is_what_an_exchange_takes(tmp_path, name):
    ends = FarMail(tmp_path, name, answer=lambda message: Random(0).randbytes(UP_BYTES))
    ends.post.exchange(DEVICE, Random(1).randbytes(DOWN_BYTES), 0.0)
    ends.run(lambda: bool(ends.said) and not ends.post._boxes[NODE].letters.told)
    profile = get_profile(name)
    both = update_up(profile, 0.1), message_down(profile, 0.1)
    up_s, down_s = sum(each.up_s for each in both), sum(each.down_s for each in both)
    assert ends.airtime_s["up"] == pytest.approx(up_s, rel=0.15)
    assert ends.airtime_s["down"] == pytest.approx(down_s, rel=0.15)


def test_a_share_of_one_per_cent_makes_days_of_minutes():
    slow = update_up(get_profile("lora-sf12"), 0.01)
    assert slow.days == pytest.approx(10 * update_up(get_profile("lora-sf12"), 0.1).days)
    assert 3 < 24 * slow.days < 5


def test_the_command_prints_the_table_that_the_documentation_has(capsys):
    assert __main__.main(["--days"]) == 0
    said = capsys.readouterr().out
    assert said == duration.table() + "\n"
    text = (Path(__file__).parents[3] / "docs/global.md").read_text()
    assert said in text
