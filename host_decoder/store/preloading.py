"""Preloading: all that a host and its first batches ask of many nodes, in a few statements. A node
alone costs six; who takes over a hundred of them is awaited by all of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, Text, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY

from host_decoder.config import KnownNode
from host_decoder.store.database.schema import CHUNKS, NODE_STATE, SENDERS
from host_decoder.store.keeping import Memory
from host_decoder.store.names import Names, key_id
from link.host import NodeState

_ASKED = select(
    func.unnest(bindparam("nodes", type_=ARRAY(SENDERS.c.node_id.type))).label("node_id"),
    func.unnest(bindparam("keys", type_=ARRAY(Text))).label("key_id"),
    func.unnest(bindparam("bundles", type_=ARRAY(Text))).label("bundle"),
).subquery()
_HIGHEST = select(
    SENDERS,
    _ASKED.c.bundle,
    select(func.max(CHUNKS.c.image))
    .where(CHUNKS.c.sender == SENDERS.c.id, CHUNKS.c.bundle == _ASKED.c.bundle)
    .scalar_subquery()
    .label("image"),
).where(SENDERS.c.node_id == _ASKED.c.node_id, SENDERS.c.key_id == _ASKED.c.key_id)

_STATES = select(NODE_STATE).where(
    NODE_STATE.c.node_id == func.any(bindparam("nodes", type_=ARRAY(SENDERS.c.node_id.type)))
)


@dataclass
class Known:
    """Where a node's session stands, and what is stored of it."""

    state: NodeState | None = None
    highest: dict[str, int] = field(default_factory=dict)
    "By bundle: no chunk of a later image is stored."


def preload(
    connection: Connection, names: Names, memory: Memory, nodes: Sequence[KnownNode]
) -> dict[tuple[int, bytes], Known]:
    """By node and key. What names and memory hold of them is replaced: others have stored since."""
    ids = names.preload([node.number for node in nodes])
    asked = [
        (ids[node.number], key_id(node.key), bundle.id.hex())
        for node in nodes
        for bundle in (node.bundle, *node.earlier_bundles)
    ]
    columns = dict(
        zip(("nodes", "keys", "bundles"), map(list, zip(*asked, strict=True)), strict=True)
    )
    known = {
        (node.number, node.key): Known(
            highest={one.id.hex(): -1 for one in (node.bundle, *node.earlier_bundles)}
        )
        for node in nodes
    }
    for place in known:
        names.learn_unheard(*place)
    by_id = {(ids[number], key_id(key)): (number, key) for number, key in known}
    senders: set[int] = set()
    for row in connection.execute(_HIGHEST.order_by(SENDERS.c.id), columns):
        place = by_id[row.node_id, row.key_id]
        one = known[place]
        if row.image is not None:
            one.highest[row.bundle] = max(one.highest[row.bundle], row.image)
        received = int.from_bytes(row.received, "big")
        one.state = NodeState(row.salt, row.highest, received, row.bundle_id)
        names.learn_sender(*place, row.id, row.highest)
        senders.add(row.id)
        memory.highest[row.id] = max(one.highest.values())
    memory.forget(senders)
    states = select(NODE_STATE).where(
        NODE_STATE.c.node_id == func.any(bindparam("nodes", type_=ARRAY(SENDERS.c.node_id.type)))
    )
    found = connection.execute(states, {"nodes": list(ids.values())}).mappings()
    stored = {row["node_id"]: dict(row) for row in found}
    for node_id in ids.values():
        memory.states[node_id] = stored.get(node_id) or Memory.blank_state(node_id)
    return known
