"""Pictures are sorted once, and what a person made of the folders stays."""

import shutil

import numpy as np
import pytest

from host_decoder.collect import sorting as module
from host_decoder.collect.gathered import gather
from host_decoder.collect.sorting import COLLECTED, folders_of, sort
from link.album.kept import file_name, to_bytes
from tests.link.album.test_kept import kept

KINDS = ("left", "right")


def none(pictures) -> list[str]:
    return [""] * len(pictures)


def collect(out, images, bundle: str = "aa") -> None:
    """Pictures of two kinds, by turns, as if they were fetched."""
    for image in images:
        symbols = np.full(4, 100 * (image % 2) - 50 + image % 3, np.int8)
        one = kept(image=image, symbols=symbols, bundle=bundle, captured_s=float(image))
        content = to_bytes(one)
        (out / COLLECTED).mkdir(parents=True, exist_ok=True)
        (out / COLLECTED / file_name(image, content, one.ending)).write_bytes(content)


def sorted_(out, guess=none, n_clusters=None):
    return sort(out, gather(out / COLLECTED)[0], guess, n_clusters)


def held(out) -> dict[str, int]:
    return {one.path.name: one.n_pictures for one in folders_of(out)}


def test_alike_ones_lie_together_as_they_were_kept(tmp_path):
    collect(tmp_path, range(10))
    made = sorted_(tmp_path, n_clusters=2)
    assert [str(one) for one in made] == ["cluster-01 (5)", "cluster-02 (5)"]
    for folder in made:
        images = [int(path.stem.split("-")[-2]) for path in folder.path.iterdir()]
        assert len({image % 2 for image in images}) == 1
        for path in folder.path.iterdir():
            assert path.read_bytes() == kept().picture


def test_what_is_sorted_stays_where_a_person_put_it(tmp_path):
    collect(tmp_path, range(10))
    first, second = sorted_(tmp_path, n_clusters=2)
    first.path.rename(tmp_path / "left")
    second.path.rename(tmp_path / "left" / "cluster-02")
    next((tmp_path / "left").glob("*.png")).unlink()
    assert sorted_(tmp_path) == []
    collect(tmp_path, range(10, 14))
    sorted_(tmp_path, n_clusters=1)
    assert held(tmp_path) == {"cluster-01": 4, "left": 9}


def test_numbers_go_on_above_those_that_are_there(tmp_path):
    collect(tmp_path, range(4))
    sorted_(tmp_path, n_clusters=2)
    collect(tmp_path, range(4, 8))
    sorted_(tmp_path, n_clusters=2)
    assert list(held(tmp_path)) == [f"cluster-0{number}" for number in (1, 2, 3, 4)]


def test_a_guess_names_the_folder(tmp_path):
    collect(tmp_path, range(6))
    sorted_(tmp_path, lambda some: [KINDS[one.image % 2] for one in some], 2)
    assert set(held(tmp_path)) in (
        {"maybe-left-1", "maybe-right-2"},
        {"maybe-right-1", "maybe-left-2"},
    )
    assert not any(one.is_labelled for one in folders_of(tmp_path))


def test_latents_of_two_bundles_are_never_compared(tmp_path):
    collect(tmp_path, range(0, 8, 2), bundle="aa")
    collect(tmp_path, range(8, 16, 2), bundle="bb")
    assert len(sorted_(tmp_path, n_clusters=1)) == 2


def test_what_was_broken_off_is_not_sorted_twice(tmp_path, monkeypatch):
    collect(tmp_path, range(8))

    def power_cut(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(module.durable, "write_state", power_cut)
    with pytest.raises(KeyboardInterrupt):
        sorted_(tmp_path, n_clusters=2)
    monkeypatch.undo()
    sorted_(tmp_path, n_clusters=2)
    assert sum(held(tmp_path).values()) == 8


def test_a_state_that_is_lost_costs_only_what_was_deleted(tmp_path):
    collect(tmp_path, range(8))
    sorted_(tmp_path, n_clusters=2)
    shutil.rmtree(tmp_path / "cluster-02")
    (tmp_path / COLLECTED / "sorted.json").write_text("torn")
    sorted_(tmp_path, n_clusters=1)
    assert sum(held(tmp_path).values()) == 8


def test_an_empty_place_has_no_folders(tmp_path):
    assert folders_of(tmp_path / "nowhere") == []
    assert sort(tmp_path, [], none) == []
