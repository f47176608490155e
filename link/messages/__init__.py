"""Whole messages: at a Unix socket, and in pieces where a link takes nothing longer."""

from link.messages.exchange import Exchange, ExchangeError
from link.messages.pieces import HAVE_BYTES, Gathering, Have, cut, name_of, read_piece
