"""What a gateway keeps is there after a kill, and of one run only."""

import pytest

from host_decoder.learn.mail_store import Letters, MailStore
from link.host.interface import NodeState

RUN = b"a run's."
STATE = NodeState(b"salt", 700, (1 << 64) - 1, RUN)


def test_state_messages_and_pieces_are_there_again(tmp_path):
    path = tmp_path / "mail.sqlite"
    store = MailStore(path, RUN)
    assert (store.state(7), store.letters(7), store.pieces(7)) == (None, Letters(), [])
    store.keep(7, STATE, Letters(told=b"round"), b"one")
    store.keep(7, STATE, Letters(told=b"round"), b"two")
    again = MailStore(path, RUN)  # the first one was not closed: it was killed
    assert again.state(7) == STATE
    assert again.letters(7) == Letters(told=b"round")
    assert again.pieces(7) == [b"one", b"two"]
    again.keep(7, STATE, Letters(said=b"update", told=b"round"))
    assert again.pieces(7) == []
    again.keep(7, STATE, Letters(said=b"update", delivered=b"name"), b"of the next")
    assert again.pieces(7) == [b"of the next"]
    assert again.state(8) is None


def test_another_runs_file_is_refused_by_name(tmp_path):
    MailStore(tmp_path / "mail.sqlite", RUN).close()
    with pytest.raises(ValueError, match=r"mail\.sqlite is of another run"):
        MailStore(tmp_path / "mail.sqlite", b"another.")
