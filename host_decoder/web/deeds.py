"""Deeds: what people decide at the page, done by the host, which alone writes the store: a label by
hand, a later decoder over all that is stored, which decoder's labels are shown, of which nodes no
alert is wanted for a while, what a node is asked.

A decoder over a long history takes minutes; here it is only asked for, and the host's worker does
it (host_decoder.store.history.worker).
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from host_decoder.errors import HostError
from host_decoder.store.database.access import Database
from host_decoder.store.history.desk import Desk
from host_decoder.store.history.jobs import redecode_job, show
from link.bundle import Bundle, BundleError

Mute = Callable[[str, int, float], None]
"Nothing is told of a site's node until a Unix time."
Order = Callable[[str, int, str], None]
"To a site's node: one of host_decoder.receive.orders.ORDERS."


class Deeds:
    """Each returns when it is done; a HostError says why it is not."""

    def __init__(
        self,
        database: Database,
        bundles: Sequence[Path],
        mute: Mute | None = None,
        order: Order | None = None,
    ) -> None:
        """None: nobody here does that."""
        self._mute, self._order = mute, order
        self._database = database
        self._desk = Desk(database)
        self._bundles = bundles

    def do(self, asked: Mapping[str, Any]) -> None:
        """`asked` is what the page's process wrote."""
        what = asked["what"]
        if what == "label":
            self._desk.label_image(asked["sender"], asked["image"], asked["label"] or None)
        elif what == "redecode":
            redecode_job(self._database, self._bundle(asked["bundle"]))
        elif what == "mute":
            if self._mute is None:
                raise HostError("nobody here tells alerts, so nothing can be muted")
            self._mute(asked["site"], asked["node"], asked["until_s"])
        elif what == "order":
            if self._order is None:
                raise HostError("nobody here speaks with nodes, so nothing can be asked of one")
            self._order(asked["site"], asked["node"], asked["word"])
        elif what == "cancel":
            self._desk.cancel_job(asked["job"])
        elif what == "show":
            show(self._database, asked["decoder"])
        else:
            assert what == "as-told"
            self._desk.show_as_told(asked["bundle"])

    def _bundle(self, name: str) -> Bundle:
        for path in self._bundles:
            try:
                bundle = Bundle.load(path, side="host")
            except BundleError as error:
                raise HostError(str(error)) from None
            if bundle.id.hex() == name:
                return bundle
        raise HostError(f"bundle {name} is none of this host's; name it in host.toml")
