"""A replay file comes back as it was written, and what is none is said in a sentence.

What a node says of damaged ones: tests/device/capture/test_image_source.py.
"""

import numpy as np
import pytest

from link.picture.replay import Replay, ReplayError

IMAGES = np.random.default_rng(0).integers(0, 256, (9, 4, 5, 3), dtype=np.uint8)
LABELS = np.repeat([0, 1, 2], 3)


@pytest.mark.parametrize(
    ("replay", "said"),
    [
        (Replay(IMAGES, LABELS, ("cat", "hündin", "ox")), ["cat", "hündin", "ox"]),
        (Replay(IMAGES, LABELS), ["0", "1", "2"]),
        (Replay(IMAGES), [None, None, None]),
    ],
)
def test_what_is_written_is_read(tmp_path, replay, said):
    replay.write(tmp_path / "deep" / "replay.npz")
    again = Replay.read(tmp_path / "deep" / "replay.npz")
    assert (again.images == IMAGES).all()
    assert [again.label(index) for index in (0, 3, 8)] == said
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["replay.npz"]


def test_what_is_drawn_keeps_its_labels_and_is_the_same_for_the_same_seed():
    replay = Replay(IMAGES, LABELS, ("cat", "dog", "ox"))
    drawn = replay.drawn(6, seed=1)
    assert len(drawn) == 6
    assert drawn.labels is not None
    for image, label in zip(drawn.images, drawn.labels, strict=True):
        [index] = [i for i in range(9) if (IMAGES[i] == image).all()]
        assert LABELS[index] == label
    assert len(set(drawn.labels.tolist())) > 1
    assert (replay.drawn(6, seed=1).images == drawn.images).all()
    assert not (replay.drawn(6, seed=2).images == drawn.images).all()


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"images": IMAGES.astype(float)}, "holds float64 images"),
        ({"images": IMAGES[:0]}, "at least one image"),
        ({"images": IMAGES, "labels": LABELS[:4]}, "9 images, 4 labels and 2 classes"),
        ({"images": IMAGES, "labels": LABELS - 1}, "number of its class, from 0"),
        ({"images": IMAGES, "labels": LABELS, "classes": ["cat"]}, "and 1 classes"),
        ({"images": IMAGES, "labels": np.array([{}] * 9)}, "is damaged"),
    ],
)
def test_what_is_no_replay_file_is_refused(tmp_path, arrays, sentence):
    np.savez(tmp_path / "replay.npz", **arrays)
    with pytest.raises(ReplayError, match=rf"replay file .*{sentence}"):
        Replay.read(tmp_path / "replay.npz")
