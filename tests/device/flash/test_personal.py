"""What a person wants of the node's system: a name, an account, a key, or why not."""

import pytest

from device.flash.personal import make_personal
from device.flash.tools import FlashError

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ me@here"


@pytest.fixture
def key(tmp_path):
    path = tmp_path / "id_ed25519.pub"
    path.write_text(KEY + "\n")
    return path


def test_a_node_without_wishes_is_called_after_its_number_and_has_no_account():
    personal = make_personal(7)
    assert (personal.hostname, personal.user, personal.authorized_key) == ("latentlink-7", "", "")


def test_each_flash_is_another_instance_so_that_cloud_init_works_again():
    first, second = make_personal(7), make_personal(7)
    assert first.instance != second.instance
    assert first.instance.startswith("latentlink-7-")


def test_an_account_has_the_key_that_the_file_holds(key):
    personal = make_personal(7, "roof", "ada", key)
    assert (personal.hostname, personal.user, personal.authorized_key) == ("roof", "ada", KEY)


@pytest.mark.parametrize(
    "content",
    ["", "-----BEGIN OPENSSH PRIVATE KEY-----\n", f"{KEY}\n{KEY}\n", "ssh-ed25519\n"],
)
def test_a_file_that_is_no_single_public_key_is_named(tmp_path, content):
    path = tmp_path / "key"
    path.write_text(content)
    with pytest.raises(FlashError, match="key is no single public key; give the file that ends in"):
        make_personal(7, ssh_key=path)


@pytest.mark.parametrize("user", ["Ada", "1ada", "a b", "root;", "a" * 33])
def test_an_account_that_no_system_takes_is_refused_with_what_one_takes(user, key):
    with pytest.raises(FlashError, match="take small letters and digits, a letter first"):
        make_personal(7, user=user, ssh_key=key)


def test_an_account_that_could_never_be_entered_is_refused():
    with pytest.raises(FlashError, match="without an SSH key could never be entered"):
        make_personal(7, user="ada")


@pytest.mark.parametrize("name", ["-roof", "roof-", "a_b", "a.b", "a" * 64, "a b"])
def test_a_name_that_is_no_host_name_is_refused(name):
    with pytest.raises(FlashError, match="take letters, digits and hyphens"):
        make_personal(7, hostname=name)
