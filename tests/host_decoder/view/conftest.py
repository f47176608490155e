"""What a short run came to."""

from dataclasses import replace

import numpy as np
import pytest

from host_decoder.view.tally import Tally
from link.host.interface import NotUsed, Reason
from link.medium.profiles import get_profile
from tests.worlds.small_host import NODE, answer, captured, sent


@pytest.fixture
def tally():
    """One right answer, one image that is missing, one wrong answer, one refusal."""
    tally = Tally(get_profile("lora-sf7"))
    probabilities = np.array([0.02, 0.917, 0.06, 0.003], np.float32)
    for image, label in ((0, 1), (1, None), (2, 2)):
        grey = replace(captured(image), pixels=bytes([200] * 64), shape=(8, 8, 1))
        tally.add_captured(grey, NODE, image)
        tally.add_sent(sent((image, 0, 4)), NODE, image)
        if label is not None:
            order = np.roll(probabilities, label - 1)
            tally.add_answer(replace(answer(image), probabilities=order), now_s=image + 0.25)
    tally.add_rejected(NotUsed(Reason.REPLAY, "seen before"))
    return tally
