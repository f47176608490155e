"""The cards of a team, from a person's node.toml to settings that each member takes."""

import json

import pytest

from device.flash import card as card_module
from device.flash.card import CardOptions
from device.flash.member import TeamOptions
from device.flash.partitions import FatPartition
from device.flash.registry import set_bundles
from device.flash.target import BootFolder
from device.flash.team import flash_team, is_team
from device.flash.tools import FlashError
from host_decoder.config import read_config
from link.settings import read_toml
from tests.device.flash.conftest import OUR_IMAGE, TRIXIE
from tests.worlds.team_bundle import make_team_bundle

pytestmark = pytest.mark.usefixtures("release")


class Reader:
    """A card reader whose card is a folder; a person puts the next one in when asked to."""

    def __init__(self, folder, cards):
        self.folder, self.cards = folder, list(cards)
        self.asked = []
        self.done = []
        self._put_in()

    def _put_in(self):
        for name, text in self.cards.pop(0).items():
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_text(text)

    def ask(self, sentence):
        self.asked.append(sentence)
        if not self.cards:
            raise KeyboardInterrupt
        done = self.folder.with_name(f"done-{len(self.done)}")
        self.folder.rename(done)
        self.done.append(done)
        self._put_in()


@pytest.fixture
def reader(tmp_path):
    return lambda *cards: Reader(tmp_path / "bootfs", cards)


@pytest.fixture
def flash(team_toml, tmp_path):
    """Flashes a team; returns what was said."""

    def run(target, member=None, ask=None, asked=None, **options):
        said: list[str] = []
        given = {"is_confirmed": True, "host": tmp_path / "host.toml", "work": tmp_path} | options
        card = CardOptions(target=target, settings=team_toml, **given)
        wishes = TeamOptions(**{"members": 3} | (asked or {}))
        flash_team(card, wishes, member, said.append, lambda share: None, ask or pytest.fail)
        return "\n".join(said)

    return run


def secrets(boot):
    return boot.read("latentlink/node.key"), json.loads(boot.read("latentlink/counter.json"))


def member_of(boot):
    return boot.read("latentlink/node.toml").decode().partition("member = ")[2][0]


def test_one_command_makes_an_image_for_each_member_and_one_node_for_the_host(
    make_card, flash, tmp_path, team_bundle
):
    image = make_card(OUR_IMAGE, "our.img")
    said = flash(tmp_path / "team-%.img", image=image, asked={"modems": (0, 2)})
    boots = [FatPartition(tmp_path / f"team-{member}.img") for member in range(3)]
    [node] = read_config(tmp_path).nodes
    assert (node.number, node.bundle.id) == (40, team_bundle.id)
    assert {boot.read("latentlink/node.key") for boot in boots} == {f"{node.key.hex()}\n".encode()}
    counters = [json.loads(boot.read("latentlink/counter.json")) for boot in boots]
    assert {counter["node"] for counter in counters} == {40}
    assert len({counter["next_counter"] for counter in counters}) == 3
    names = [boot.read("latentlink/hostname").decode().strip() for boot in boots]
    assert names == [f"latentlink-40-{member}" for member in range(3)]
    assert [member_of(boot) for boot in boots] == ["0", "1", "2"]
    assert ["[link]" in boot.read("latentlink/node.toml").decode() for boot in boots] == [
        True,
        False,
        True,
    ]
    assert all("network.conf" in boot.names("latentlink") for boot in boots)
    assert {f"part-{s}-{g}.tflite" for s in range(3) for g in range(3)} <= set(
        boots[0].names("latentlink/bundle")
    )
    assert "team      node 40: 3 members, over 239.77.0.40:4310" in said
    assert "written and read back; node 40, member 2 is in" in said
    assert said.count("python -m host_decoder listen") == 1


def test_card_after_card_is_asked_for(reader, flash, tmp_path):
    cards = reader(TRIXIE, TRIXIE, TRIXIE)
    flash(cards.folder, ask=cards.ask)
    assert cards.asked == [
        f"Put the card of member {member} of node 40 into {cards.folder}" for member in (1, 2)
    ]
    boots = [BootFolder(folder) for folder in (*cards.done, cards.folder)]
    assert [member_of(boot) for boot in boots] == ["0", "1", "2"]


def test_what_was_interrupted_is_gone_on_with_by_the_same_command(reader, flash, tmp_path):
    cards = reader(TRIXIE, TRIXIE)
    with pytest.raises(KeyboardInterrupt):
        flash(cards.folder, ask=cards.ask)
    key, _ = secrets(BootFolder(cards.folder))
    cards.cards = [TRIXIE]
    cards.folder.rename(tmp_path / "made-1")
    cards._put_in()
    said = flash(cards.folder)
    assert "3 members, over 239.77.0.40:4310; made: 0, 1" in said
    assert "member    2: camera and modem" in said
    assert "member    1:" not in said
    assert (secrets(BootFolder(cards.folder))[0], member_of(BootFolder(cards.folder))) == (key, "2")
    with pytest.raises(FlashError, match="all 3 members of node 40 are made"):
        flash(cards.folder)


def test_a_card_that_forgets_is_not_counted_as_made(reader, flash, monkeypatch, tmp_path):
    cards = reader(TRIXIE)
    read = BootFolder.read
    monkeypatch.setattr(
        BootFolder,
        "read",
        lambda self, name: b"" if name.endswith("part-0-0.tflite") else read(self, name),
    )
    with pytest.raises(FlashError, match=r"part-0-0\.tflite on .* reads back otherwise"):
        flash(cards.folder, member=0)
    assert list((tmp_path / "teams").iterdir()) == []
    assert not (tmp_path / "nodes/40.toml").exists()


def test_a_broken_card_is_made_again_with_the_teams_key_and_a_counter_above(make_card, flash):
    cards = make_card(OUR_IMAGE, "0.img").with_name("%.img")
    for member in (1, 2):
        make_card(OUR_IMAGE, f"{member}.img")
    flash(cards)
    key, before = secrets(FatPartition(cards.with_name("1.img")))
    spare = make_card(OUR_IMAGE, "spare.img")
    said = flash(spare, member=1)
    again, counter = secrets(FatPartition(spare))
    assert again == key
    assert counter["next_counter"] > before["next_counter"]
    assert member_of(FatPartition(spare)) == "1"
    assert "made: 0, 1, 2" in said


def test_the_card_that_was_just_made_is_not_taken_for_the_next(reader, flash):
    cards = reader(TRIXIE, TRIXIE)
    flash(cards.folder, member=0)
    with pytest.raises(KeyboardInterrupt):
        # nobody changes the card at first
        flash(cards.folder, ask=cards.ask)
    assert cards.asked == [
        f"{cards.folder} is the card of member 0, which is made; put in that of member 1",
        f"Put the card of member 2 of node 40 into {cards.folder}",
    ]


def test_a_member_made_again_gets_the_bundle_that_the_others_have_by_now(
    reader, flash, tmp_path, team_bundle
):
    newer = make_team_bundle(tmp_path / "newer", n_segments=2)
    cards = reader(TRIXIE)
    flash(cards.folder, member=0)
    set_bundles(tmp_path / "host.toml", 40, ["newer", str(team_bundle.path)])
    said = flash(cards.folder, member=0)
    assert f"its bundle is {newer.path}, as the other members have it" in said
    boot = BootFolder(cards.folder)
    assert boot.read("latentlink/bundle.id").decode() == newer.id.hex()


def test_a_placement_lies_beside_the_settings(reader, flash, tmp_path):
    (tmp_path / "placement.json").write_text(json.dumps([[[0], [1], [2]]] * 3))
    cards = reader(TRIXIE)
    flash(cards.folder, member=0, asked={"placement": tmp_path / "placement.json"})
    boot = BootFolder(cards.folder)
    assert json.loads(boot.read("latentlink/placement.json")) == [[[0], [1], [2]]] * 3
    assert b'placement = "/etc/latentlink/placement.json"' in boot.read("latentlink/node.toml")
    assert b"  placement.json\n" in boot.read("latentlink/SHA256SUMS")


def test_without_confirmation_nothing_is_written_and_nobody_is_asked(reader, flash, tmp_path):
    cards = reader(TRIXIE)
    said = flash(cards.folder, is_confirmed=False, asked={"modems": (1,), "cameras": (0,)})
    assert not (cards.folder / "latentlink").exists()
    assert not (tmp_path / "teams").exists()
    assert "member    0: camera\nmember    1: modem\nmember    2: neither camera nor modem" in said
    assert "without member 1 the team has no modem; give two of them one" in said
    assert said.count("nothing was written; say CONFIRM=yes") == 1
    for member in range(3):
        assert f"node      40, member {member}" in said
        assert said.count(f"| member = {member}") == 1


def test_every_member_is_checked_before_the_first_card_is_written(reader, flash, team_toml):
    cards = reader(TRIXIE)
    with pytest.raises(FlashError, match="no UDP address"):
        flash(cards.folder, asked={"peers": ("a:1", "b:1", "c:0")})
    with pytest.raises(FlashError, match="member 3 is none of 0 to 2"):
        flash(cards.folder, member=3)
    assert not (cards.folder / "latentlink").exists()


def test_members_that_the_bundles_parts_do_not_fit_are_refused(reader, flash, tmp_path):
    cards = reader(TRIXIE)
    with pytest.raises(FlashError, match=r"has 4 members, and bundle .* is for 3"):
        flash(cards.folder, member=0, asked={"members": 4})
    (tmp_path / "placement.json").write_text(json.dumps([[[0], [1], [3]]] * 3))
    with pytest.raises(FlashError, match=r"placement\[0\]\[2\] is \[3\], the members are 0 to 2"):
        flash(cards.folder, member=0, asked={"placement": tmp_path / "placement.json"})
    assert not (cards.folder / "latentlink").exists()


def test_three_members_do_not_fit_into_one_image(make_card, flash):
    card = make_card(TRIXIE)
    with pytest.raises(FlashError, match=r"write % for the member's number, such as card-%\.img"):
        flash(card)


def test_a_bundle_that_is_not_cut_makes_no_team_and_one_that_is_no_lone_node(
    reader, flash, team_toml, node_toml, tmp_path
):
    cards = reader(TRIXIE)
    assert not is_team(team_toml)
    with pytest.raises(FlashError, match=r"is cut for a team of 3: make one, FOG=3"):
        card_module.flash_card(
            CardOptions(cards.folder, team_toml, tmp_path / "host.toml", tmp_path),
            lambda text: None,
            lambda share: None,
        )
    team_toml.write_text(node_toml.read_text())
    with pytest.raises(FlashError, match=r"holds an encoder for one node; .* such as branch-3"):
        flash(cards.folder)


def test_a_team_speaks_no_lorawan(reader, flash, team_toml, tmp_path):
    (tmp_path / "app.key").write_text("ab" * 16)
    text = team_toml.read_text().replace("serial-9600", "lora-sf9-eu868")
    team_toml.write_text(
        text
        + 'region = "wire"\n[link.lorawan]\napp_key = "app.key"\ndev_eui = "70B3D57ED0001234"\n'
    )
    with pytest.raises(FlashError, match="is of one device, and a team speaks by any"):
        flash(reader(TRIXIE).folder)


def test_a_console_on_the_bus_goes_too(reader, flash, team_toml):
    team_toml.write_text(team_toml.read_text() + '[team]\nport = "/dev/ttyUSB1"\n')
    cmdline = "console=ttyUSB1,9600 console=serial0,9600 root=x\n"
    cards = reader(TRIXIE | {"cmdline.txt": cmdline})
    said = flash(cards.folder, member=0)
    assert "console=ttyUSB1,9600 leaves cmdline.txt" in said
    assert (cards.folder / "cmdline.txt").read_text().split()[0] == "root=x"
    assert "network.conf" not in BootFolder(cards.folder).names("latentlink")


def test_the_record_holds_what_all_were_told(reader, flash, tmp_path):
    cards = reader(TRIXIE)
    flash(cards.folder, member=2)
    table = read_toml(tmp_path / "teams/40.toml", FlashError)
    assert (table["made"], table["members"], table["cameras"]) == ([2], 3, [0, 1, 2])
