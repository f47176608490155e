"""Team keys: the members of a team are one node with one key, each with a counter of its own.

    0/node.key  0/counter.json      member 0
    1/node.key  1/counter.json      member 1, the same key
    …

What was begun is gone on with, and a member whose folder was lost is made again: it gets the key of
the others, and counts on from the time of day, above all that it used.
"""

from pathlib import Path

from link.bundle.manifest import MAX_GROUPS
from link.security.keys import KEY_FILE, KeyStateError, NodeKey, provision, read_master_key

MAX_MEMBERS = MAX_GROUPS


def provision_team(folder: Path, node: int, n_members: int) -> tuple[NodeKey, list[int]]:
    """The team's key, and the members that were made now; KeyStateError when two of those that are
    there have not the same key.
    """
    if not 2 <= n_members <= MAX_MEMBERS:
        raise KeyStateError(f"a team has 2 to {MAX_MEMBERS} members, not {n_members}")
    folders = [folder / str(member) for member in range(n_members)]
    there = [place for place in folders if _has_key(place)]
    keys = {read_master_key(place) for place in there}
    if len(keys) > 1:
        raise KeyStateError(
            f"the members in {folder} have not one key: remove the folders of those that are of "
            "another team"
        )
    key = next(iter(keys), None)
    new = [place for place in folders if place not in there]
    for place in new:
        key = provision(place, node, key=key).key
    assert key is not None
    return NodeKey(node, key), [int(place.name) for place in new]


def _has_key(folder: Path) -> bool:
    """An empty file is no key: the disk was full when it was made."""
    return (folder / KEY_FILE).exists() and (folder / KEY_FILE).stat().st_size > 0
