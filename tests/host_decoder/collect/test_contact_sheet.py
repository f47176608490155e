"""One page shows every folder, and needs nothing beside it."""

import base64
import io
import re

from PIL import Image

from host_decoder.collect import contact_sheet as module
from host_decoder.collect.contact_sheet import in_order, write_sheet
from host_decoder.collect.gathered import gather
from host_decoder.collect.sorting import COLLECTED, folders_of
from tests.host_decoder.collect.test_sorting import collect, sorted_


def page(out) -> str:
    path = write_sheet(out, folders_of(out), gather(out / COLLECTED)[0])
    assert path == out / "contact-sheet.html"
    return path.read_text(encoding="utf-8")


def test_every_picture_is_in_the_page_itself(tmp_path):
    collect(tmp_path, range(10))
    sorted_(tmp_path, n_clusters=2)
    text = page(tmp_path)
    sources = re.findall(r'src="([^"]*)"', text)
    assert len(sources) == 10
    for source in sources:
        content = base64.b64decode(source.removeprefix("data:image/jpeg;base64,"))
        with Image.open(io.BytesIO(content)) as shown:
            assert shown.size == (16, 12)
    assert re.findall(r"<h2>(\S+) ", text) == ["cluster-01", "cluster-02"]
    assert "http" not in text


def test_what_has_no_label_comes_first_and_names_are_text(tmp_path):
    collect(tmp_path, range(10))
    sorted_(tmp_path, n_clusters=2)
    (tmp_path / "cluster-01").rename(tmp_path / "<b>open")
    assert re.findall(r"<h2>(\S+) ", page(tmp_path)) == ["cluster-02", "&lt;b&gt;open"]


def test_of_many_both_ends_are_shown_and_the_rest_is_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "N_TYPICAL", 3)
    monkeypatch.setattr(module, "N_ODD", 2)
    collect(tmp_path, range(9))
    sorted_(tmp_path, n_clusters=1)
    text = page(tmp_path)
    assert text.count("<img") == 5
    assert "9, 4 not shown" in text


def test_the_odd_one_comes_last_and_a_person_s_own_after_it(tmp_path):
    collect(tmp_path, [*range(0, 20, 2), 21])
    sorted_(tmp_path, n_clusters=1)
    own = tmp_path / "cluster-01" / "holiday.jpg"
    own.write_bytes(b"no picture")
    pictures = {one.path.stem: one for one in gather(tmp_path / COLLECTED)[0]}
    ordered = in_order(sorted((tmp_path / "cluster-01").iterdir()), pictures)
    assert ordered[-1] == own
    assert "-00000021-" in ordered[-2].name
    assert page(tmp_path).count("<img") == 11
