"""What is to be kept of a packet can be printed without telling its key."""

from host_decoder.store.receipt import Receipt
from link.host.interface import NodeState


def test_a_receipt_that_is_printed_keeps_the_key_to_itself():
    receipt = Receipt(7, b"secret key bytes", NodeState(b"salt", 1, 1), 0.0)
    assert "secret" not in repr(receipt)
