"""Freshness: whether a frame can be new, told by its header alone, before its tag is tried.

Of an image each content counts once, and one that is older than the newest is over. What says
nothing of one image (HERE, RECEIPT) stands at numbers that grow, member by member; a receipt stays
true when the next image has begun, but from before the first that this start has heard of it tells
nothing that is needed. So a recording costs no try, and a stranger's frame costs one.
"""

from link.fog.frame import Header, Kind

NUMBERED = (Kind.RECEIPT, Kind.HERE)


class Freshness:
    """What one member has heard. Mark a frame only after its tag has verified."""

    def __init__(self, newest: int) -> None:
        self.newest = newest
        "Image id; all before are over."
        self._first: int | None = None
        "Image heard of first."
        self._seen: set[tuple[int, bytes, Kind, int]] = set()
        "Contents of the newest image: at most what the members of the team had to say about it."
        self._told: dict[tuple[int, Kind], tuple[int, int]] = {}
        "By member: image and number of its latest of that kind."

    def is_new(self, header: Header) -> bool:
        if header.kind in NUMBERED:
            told = self._told.get((header.member, header.kind), (-1, -1))
            least = self.newest
            if header.kind == Kind.RECEIPT and self._first is not None:
                least = self._first
            return header.image >= least and (header.image, header.place) > told
        is_present = header.image == self.newest
        return header.image > self.newest or (is_present and _content(header) not in self._seen)

    def mark(self, header: Header) -> None:
        if header.kind in NUMBERED:
            self._told[header.member, header.kind] = header.image, header.place
        else:
            self._seen.add(_content(header))

    def turn_to(self, image: int) -> None:
        """Another image is the newest."""
        self.newest = image
        self._first = image if self._first is None else self._first
        self._seen.clear()


def _content(header: Header) -> tuple[int, bytes, Kind, int]:
    return header.member, header.salt, header.kind, header.place
