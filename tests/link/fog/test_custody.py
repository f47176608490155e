"""Custody: what is kept until a receipt, and when a member wants to send it itself."""

from math import inf

from link.fog.custody import MAX_KEPT, SILENT, Custody


def test_an_image_that_receipts_pass_over_is_due_after_a_while():
    custody = Custody(orphan_s=30.0)
    for image in (5, 6, 7):
        custody.keep(image, 0.0)
    assert custody.due_s == 300.0
    custody.settle([6], now_s=100.0)
    assert custody.due_s == 130.0
    custody.settle([5], 110.0)
    assert custody.due_s == 410.0, "7 has no receipt yet"


def test_another_aggregator_may_have_none_of_them():
    custody = Custody(orphan_s=30.0)
    custody.keep(5, 0.0)
    custody.pass_over(50.0)
    custody.pass_over(70.0)
    assert custody.due_s == 80.0


def test_how_long_silence_may_last_can_be_said():
    custody = Custody(orphan_s=30.0, silent_s=40.0)
    custody.keep(5, 10.0)
    assert custody.due_s == 50.0


def test_what_an_earlier_start_kept_is_due_like_that():
    custody = Custody(orphan_s=30.0)
    custody.keep(5, 10.0, is_passed=True)
    assert custody.due_s == 40.0


def test_it_knows_no_more_than_so_many():
    custody = Custody(orphan_s=1.0)
    custody.keep(0, 0.0, is_passed=True)
    for image in range(1, MAX_KEPT + 1):
        custody.keep(image, 0.0)
    assert custody.due_s == SILENT


def test_without_any_receipt_all_is_due_after_long():
    custody = Custody(orphan_s=30.0)
    custody.keep(5, 10.0)
    custody.keep(6, 200.0)
    assert custody.due_s == 10.0 + SILENT * 30.0
    custody.settle([5], 250.0)
    assert custody.due_s == 250.0 + SILENT * 30.0
    custody.settle([6], 260.0)
    assert custody.due_s == inf
