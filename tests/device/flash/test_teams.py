import pytest

from device.flash.registry import key_path, register
from device.flash.teams import begun, record
from device.flash.tools import FlashError
from tests.device.flash.conftest import BUNDLE

KEY, OTHER_KEY = bytes(range(16)), bytes(16)
TOLD = {"members": 3, "multicast": "239.77.0.40:4310", "placement": None, "peers": ["a:1", "b:1"]}


@pytest.fixture
def host(tmp_path):
    return tmp_path / "site/host.toml"


def make(host, *made, told=TOLD, key=KEY):
    """As after the cards of these members."""
    register(host, 40, key.hex() + "\n", BUNDLE, "serial-9600")
    [(path, text)] = record(host, 40, told, made, key).items()
    path.write_text(text)


def test_of_a_new_team_nothing_is_made(host):
    there = begun(host, 40, TOLD, None, replaces=False)
    assert (there.made, there.key) == ((), None)


def test_the_members_that_are_made_are_remembered_with_their_key(host):
    make(host, 2, 0)
    there = begun(host, 40, TOLD, None, replaces=False)
    assert (there.made, there.key) == ((0, 2), KEY)
    # the same command goes on, also one that replaces
    assert begun(host, 40, TOLD, None, replaces=True) == there


def test_one_member_is_made_again_and_all_of_them_only_with_a_new_key(host):
    make(host, 0, 1, 2)
    assert begun(host, 40, TOLD, 1, replaces=False).key == KEY
    with pytest.raises(FlashError, match=r"all 3 members of node 40 are made; MEMBER=0 makes"):
        begun(host, 40, TOLD, None, replaces=False)
    assert begun(host, 40, TOLD, None, replaces=True).key is None


def test_members_that_are_told_something_else_would_not_find_each_other(host):
    make(host, 0)
    other = TOLD | {"multicast": "239.77.0.41:4310"}
    with pytest.raises(
        FlashError,
        match=r"were told multicast = '239.77.0.40:4310', and now it is '239.77.0.41:4310'",
    ):
        begun(host, 40, other, 1, replaces=False)
    assert begun(host, 40, other, 1, replaces=True).key is None


def test_a_number_that_another_node_has_is_refused(host):
    register(host, 40, KEY.hex() + "\n", BUNDLE, "serial-9600")
    with pytest.raises(FlashError, match=r"node 40 is in .* already, with the key of another card"):
        begun(host, 40, TOLD, None, replaces=False)
    assert begun(host, 40, TOLD, None, replaces=True).key is None


def test_the_record_of_a_team_that_was_replaced_counts_no_more(host):
    make(host, 0, 1)
    register(host, 40, OTHER_KEY.hex() + "\n", BUNDLE, "serial-9600")
    with pytest.raises(FlashError, match="with the key of another card"):
        begun(host, 40, TOLD, None, replaces=False)


@pytest.mark.parametrize(
    "damage", ['made = "all"', 'made = [0, "1"]', "made = [-1]", "made = [1000000000]"]
)
def test_a_record_of_which_nothing_can_be_made_is_none(host, damage):
    make(host, 0)
    path = host.parent / "teams/40.toml"
    path.write_text(path.read_text().replace("made = [0]", damage))
    with pytest.raises(FlashError, match="with the key of another card"):
        begun(host, 40, TOLD, None, replaces=False)


def test_a_key_that_was_lost_is_said(host):
    make(host, 0)
    key_path(host, 40).write_text("no key")
    with pytest.raises(FlashError, match=r"node-40\.key cannot be read .* put a copy of it back"):
        begun(host, 40, TOLD, None, replaces=False)
