"""A network is loaded once for all hosts of a process that ask the same of it."""

from dataclasses import replace

from host_decoder.decode.readers import Readers
from host_decoder.decode.verdict import VerdictConfig
from link.bundle.bundle import Bundle


def test_who_asks_the_same_of_one_bundle_shares_its_reader(bundle, calibrated_bundle):
    readers = Readers()
    first = readers.reader(bundle, None)
    assert readers.reader(Bundle.load(bundle.path, side="host"), None) is first
    assert readers.reader(bundle, VerdictConfig()) is not first
    assert readers.reader(calibrated_bundle, None) is not first
    assert readers.task_reader(bundle, "label") is readers.task_reader(replace(bundle), "label")
