"""forward.toml, checked key by key; the password is in no sentence."""

import pytest

from link.gateway.config import read_forwarder

GOOD = {
    "head": 'site = "farm"\nname = "roof"\n',
    "broker": '[broker]\nhost = "broker.example"\nuser = "farm-roof"\npassword_file = "secret"\n',
    "link": '[link]\nport = "127.0.0.1:4300"\nprofile = "udp"\n',
}


def write(folder, **parts: str):
    (folder / "secret").write_text("hunter2\n")
    path = folder / "forward.toml"
    path.write_text("".join((GOOD | parts).values()))
    return path


def test_a_gateway_is_what_its_file_says(tmp_path):
    config = read_forwarder(write(tmp_path))
    assert (config.site, config.name, config.state_dir) == ("farm", "roof", tmp_path)
    settings = config.broker.settings("ll-farm-roof")
    assert (settings.address, settings.password) == ("broker.example:1883", "hunter2")
    assert config.port.settings.profile.name == "udp"
    assert "hunter2" not in repr(config) + repr(settings)


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ({"head": 'name = "roof"\n'}, 'forward.toml: key "site" is missing'),
        ({"head": 'site = "Farm/1"\nname = "roof"\n'}, "site is 'Farm/1'; write 1 to 40 of a-z"),
        ({"broker": '[broker]\nhost = "a/b"\n'}, "[broker] host is 'a/b'; write its name or addr"),
        ({"broker": '[broker]\nhost = "b"\npassword_file = "no"\n'}, "[broker] password_file: "),
        ({"link": '[link]\nport = "x"\nprofile = "udp"\n'}, '[link] port: "x" is no UDP address'),
        ({"link": '[link]\nport = "/dev/x"\nprofile = "no"\n'}, "[link] "),
    ],
)
def test_what_cannot_be_is_a_sentence(tmp_path, parts, sentence):
    with pytest.raises(ValueError, match=r".") as error:
        read_forwarder(write(tmp_path, **parts))
    assert sentence in str(error.value)


def test_who_has_no_file_yet_learns_where_one_is_shown(tmp_path):
    with pytest.raises(ValueError, match=r"forward\.toml is not there; docs/fleet\.md shows one"):
        read_forwarder(tmp_path / "forward.toml")


def test_a_password_file_holds_one_line(tmp_path):
    path = write(tmp_path)
    (tmp_path / "secret").write_text("two\nlines\n")
    with pytest.raises(ValueError, match="must hold one line") as error:
        read_forwarder(path)
    assert "two" not in str(error.value)
