import zipfile

import numpy as np
import pytest

from link.picture.arrays import read_arrays


def test_the_named_arrays_come_back_and_others_are_not_read(tmp_path):
    np.savez(
        tmp_path / "x.npz",
        images=np.arange(6).reshape(2, 3),
        classes=np.array(["a", "ü"]),
        more=np.zeros(9),
    )
    found = read_arrays(tmp_path / "x.npz", ("images", "classes", "labels"))
    assert sorted(found) == ["classes", "images"]
    assert found["images"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert found["classes"].tolist() == ["a", "ü"]


def test_a_pickle_is_refused(tmp_path):
    np.savez(tmp_path / "x.npz", images=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="Object arrays cannot be loaded"):
        read_arrays(tmp_path / "x.npz", ("images",))


def test_what_unpacks_to_more_than_fits_is_refused_before_it_is_unpacked(tmp_path):
    np.savez_compressed(tmp_path / "x.npz", images=np.zeros(50_000_000, np.uint8))
    assert (tmp_path / "x.npz").stat().st_size < 100_000
    with pytest.raises(ValueError, match=r"take 50,000,128 bytes, 1,000,000 at most"):
        read_arrays(tmp_path / "x.npz", ("images",), max_bytes=1_000_000)


def test_an_array_that_claims_to_be_larger_than_its_file_is_damaged(tmp_path):
    with (
        zipfile.ZipFile(tmp_path / "x.npz", "w") as archive,
        archive.open("images.npy", "w") as file,
    ):
        header = {"descr": "|u1", "fortran_order": False, "shape": (1 << 50,)}
        np.lib.format.write_array_header_1_0(file, header)
    with pytest.raises(ValueError, match=r"."):
        read_arrays(tmp_path / "x.npz", ("images",))


def test_whatever_is_damaged_is_a_value_error(tmp_path):
    np.savez_compressed(tmp_path / "x.npz", images=np.arange(300, dtype=np.int64))
    whole = (tmp_path / "x.npz").read_bytes()
    draw = np.random.default_rng(0)
    said = []
    for _ in range(400):
        content = bytearray(whole)
        for at in draw.integers(0, len(content), draw.integers(1, 4)):
            content[at] = draw.integers(256)
        (tmp_path / "x.npz").write_bytes(
            content[: draw.integers(1, len(content) + 1)] if draw.random() < 0.3 else content
        )
        try:
            read_arrays(tmp_path / "x.npz", ("images",))
        except ValueError as error:
            said.append(str(error))
    assert len(said) > 200
    assert all(said)
    with pytest.raises(FileNotFoundError):
        read_arrays(tmp_path / "nowhere.npz", ("images",))
