import tomllib

import pytest

from device.flash.settings import read_settings, rewrite
from device.flash.tools import FlashError
from tests.flash.conftest import BUNDLE


def test_paths_become_the_nodes_and_the_rest_stays(node_toml):
    settings = read_settings(node_toml, node=9)
    table = tomllib.loads(settings.text)
    assert (table["node"], table["bundle"], table["key_dir"]) == (
        9,
        "/opt/latentlink/bundle",
        "/var/lib/latentlink/keys",
    )
    assert table["source"] == {"kind": "v4l2", "interval_s": 10}
    assert settings.bundle == BUNDLE


def test_a_replayed_file_goes_along(node_toml, tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images/a.png").write_bytes(b"a")
    node_toml.write_text(node_toml.read_text().replace('kind = "v4l2"', 'kind = "folder"\npath = "images"'))
    settings = read_settings(node_toml)
    assert tomllib.loads(settings.text)["source"]["path"] == "/opt/latentlink/source/images"
    assert settings.source_files == {"images/a.png": b"a"}


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("/dev/ttyAMA0", "/dev/serial0", "another connector on a Pi 5; write /dev/ttyAMA0"),
        ("serial-9600", "serial-1", 'no link profile "serial-1"'),
        ('kind = "v4l2"', 'kind = "replay"\npath = "nowhere.npz"', r"nowhere\.npz does not exist"),
    ],
)
def test_settings_that_cannot_work_are_refused(node_toml, old, new, reason):
    node_toml.write_text(node_toml.read_text().replace(old, new))
    with pytest.raises(FlashError, match=reason):
        read_settings(node_toml)


def test_rewriting_keeps_comments_order_and_other_sections():
    text = "# mine\na = 1 # one\n[x]\na = 2\n"
    assert rewrite(text, {"a": 3, "b": "c"}) == '# mine\na = 3\nb = "c"\n[x]\na = 2\n'
    assert rewrite(text, {"b": 5}, section="x") == "# mine\na = 1 # one\n[x]\nb = 5\na = 2\n"


def test_a_key_over_several_lines_is_refused():
    with pytest.raises(FlashError, match="each key on one line"):
        rewrite('a = """\nb = 1\n"""\n', {"b": 2})
