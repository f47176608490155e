"""Freshness: what may be new, told by the header alone."""

from dataclasses import replace

from link.fog.frame import Flag, Header, Kind
from link.fog.freshness import Freshness

TENSOR = Header(Kind.TENSOR, Flag(0), 1, 16, 50, b"salt")
HERE = Header(Kind.HERE, Flag(0), 1, 0, 50, b"salt")
RECEIPT = replace(HERE, kind=Kind.RECEIPT)


def test_each_content_of_the_newest_image_is_new_once():
    fresh = Freshness(50)
    assert fresh.is_new(TENSOR)
    fresh.mark(TENSOR)
    assert not fresh.is_new(TENSOR)
    others = ({"place": 32}, {"member": 2}, {"kind": Kind.LATENTS}, {"salt": b"anew"})
    assert all(fresh.is_new(replace(TENSOR, **change)) for change in others)


def test_an_older_image_is_over_and_a_newer_one_is_new():
    fresh = Freshness(50)
    fresh.mark(replace(TENSOR, image=51))
    assert not fresh.is_new(replace(TENSOR, image=49))
    fresh.turn_to(51)
    assert not fresh.is_new(TENSOR)
    assert fresh.is_new(replace(TENSOR, image=51))


def test_what_stands_at_numbers_only_grows_member_by_member():
    fresh = Freshness(50)
    for header in (HERE, RECEIPT):
        fresh.mark(replace(header, place=7))
        assert not fresh.is_new(replace(header, place=7))
        assert not fresh.is_new(replace(header, place=3))
        assert fresh.is_new(replace(header, place=8))
        assert fresh.is_new(replace(header, image=51))
        assert fresh.is_new(replace(header, member=2))


def test_a_receipt_stays_true_when_its_image_is_over():
    fresh = Freshness(0)
    for image in (50, 51, 60):
        fresh.turn_to(image)
    assert fresh.is_new(replace(RECEIPT, image=50))
    assert not fresh.is_new(replace(HERE, image=50))


def test_a_receipt_from_before_the_first_image_of_this_start_is_a_recording():
    fresh = Freshness(0)
    assert fresh.is_new(replace(RECEIPT, image=49))
    fresh.turn_to(50)
    assert not fresh.is_new(replace(RECEIPT, image=49))
