"""What cloud-init is given at first boot keeps what the Imager or a person wrote."""

import email

import pytest

from device.flash.firstboot import Personal, user_data
from device.flash.tools import FlashError
from device.flash.user_data import merged, says_something
from tests.device.flash.conftest import STOCK_USER_DATA

NODE = Personal("latentlink-1", "latentlink-1-0a0b0c0d")
IMAGER_USER_DATA = "#cloud-config\nhostname: mine\nuser:\n  name: me\nruncmd:\n  - [touch, /x]\n"


def test_an_account_that_the_imager_made_is_kept_beside_ours():
    archive = email.message_from_string(merged(IMAGER_USER_DATA, user_data(NODE)))
    parts = [part for part in archive.walk() if not part.is_multipart()]
    assert [part.get_content_type() for part in parts] == ["text/cloud-config"] * 2
    assert parts[0].get_payload() == IMAGER_USER_DATA
    assert "begin.sh" in str(parts[1].get_payload())
    assert parts[1]["Merge-Type"].startswith("list(append)")


def test_a_card_flashed_again_keeps_what_the_imager_wrote():
    once = merged(IMAGER_USER_DATA, user_data(NODE))
    again = merged(once, user_data(Personal("other", "i")))
    parts = [
        part.get_payload()
        for part in email.message_from_string(again).walk()
        if not part.is_multipart()
    ]
    assert parts == [IMAGER_USER_DATA, user_data(Personal("other", "i"))]


@pytest.mark.parametrize(
    ("old", "kind"),
    [
        ("#!/bin/sh\n# only comments\n", "text/x-shellscript"),
        ("#include\nhttps://example.org/x\n", "text/x-include-url"),
        ("#cloud-boothook\necho\n", "text/cloud-boothook"),
        ("## template: jinja\n#cloud-config\nhostname: x\n", "text/jinja2"),
        ("#cloud-config\nhostname: 'Küche'\n", "text/cloud-config"),
    ],
)
def test_what_a_person_wrote_for_cloud_init_stays_what_it_is(old, kind):
    parts = [
        part
        for part in email.message_from_string(merged(old, user_data(NODE))).walk()
        if not part.is_multipart()
    ]
    assert [part.get_content_type() for part in parts] == [kind, "text/cloud-config"]
    assert parts[0].get_payload() == old


def test_an_archive_that_a_person_wrote_gets_one_part_more():
    theirs = (
        'Content-Type: multipart/mixed; boundary="b"\nMIME-Version: '
        "1.0\n\n--b\nContent-Type: text/x-shellscript\n"
        "Content-Transfer-Encoding: base64\n\nIyEvYmluL3NoCg==\n--b\nContent-Type: "
        "text/cloud-config\n\nx: 1\n--b--\n"
    )
    archive = email.message_from_string(merged(theirs, user_data(NODE)))
    parts = [part for part in archive.walk() if not part.is_multipart()]
    kinds = ["text/x-shellscript", "text/cloud-config", "text/cloud-config"]
    assert [part.get_content_type() for part in parts] == kinds
    assert parts[0].get_payload(decode=True) == b"#!/bin/sh\n"
    assert parts[2].get_payload() == user_data(NODE)


@pytest.mark.parametrize("old", ["hostname: x\n", "Content-Type: multipart/mixed\n\nx\n"])
def test_what_cloud_init_could_not_read_is_refused(old):
    with pytest.raises(FlashError, match="the card's user-data"):
        merged(old, user_data(NODE))


@pytest.mark.parametrize("old", [STOCK_USER_DATA, "", user_data(NODE)])
def test_a_user_data_that_says_nothing_of_its_own_is_replaced(old):
    assert merged(old, user_data(NODE)) == user_data(NODE)


def test_comments_and_blanks_say_nothing():
    assert not says_something("#cloud-config\n\n   # hostname: x\n")
    assert says_something("#cloud-config\nhostname: x\n")
