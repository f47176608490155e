"""Wirings: which channels of which nodes a node of a team reads at an exchange.

`design` is by block designs (host_training.models.block_design), the second exchange by the dual of
the first; the others are what it is held against.
"""

import numpy as np

from host_training.models.architecture import Wiring
from host_training.models.block_design import dual, offsets

N_EXCHANGES = 2
DRAWS = 1_000


def heard(wiring: Wiring, n_nodes: int, exchange: int, draw: int = 0) -> np.ndarray:
    """Which nodes each node hears, itself first: int64 (n, k). `shuffle` hears some of everybody.

    `draw` numbers the random wirings.
    """
    nodes, cover = np.arange(n_nodes)[:, None], offsets(n_nodes)
    if wiring == "design":
        return (nodes + np.array(cover if exchange % 2 == 0 else dual(cover, n_nodes))) % n_nodes
    if wiring == "ring":
        around = [(step + 1) // 2 * (-1) ** step for step in range(len(cover))]
        return (nodes + np.array(around)) % n_nodes
    if wiring == "random":
        return _random(n_nodes, len(cover), N_EXCHANGES * draw + exchange)
    if wiring in ("all", "shuffle"):
        return (nodes + np.arange(n_nodes)) % n_nodes
    assert wiring == "none", wiring
    return nodes


def sources(
    wiring: Wiring, n_nodes: int, channels: int, exchange: int, draw: int = 0
) -> np.ndarray:
    """The channels that each node reads, of n · `channels` node by node: int64 (n, m).

    A shuffle gives every node as many as it had, every n-th of everybody's (ShuffleNet, CVPR 2018).
    """
    nodes = heard(wiring, n_nodes, exchange, draw)
    if wiring != "shuffle":
        read = nodes[:, :, None] * channels + np.arange(channels)
        return read.reshape(n_nodes, -1)
    places = np.arange(n_nodes * channels).reshape(channels, n_nodes).T
    return np.sort(places, axis=1)


def _random(n_nodes: int, k: int, seed: int) -> np.ndarray:
    """Every node hears k nodes, itself among them, and k hear it."""
    rng = np.random.default_rng(seed)
    for _ in range(DRAWS):
        rows = [np.arange(n_nodes), *(rng.permutation(n_nodes) for _ in range(k - 1))]
        nodes = np.stack(rows, axis=1)
        if all(len(set(row)) == k for row in nodes.tolist()):
            return nodes
    raise ValueError(f"no random wiring of {n_nodes} nodes with {k} each in {DRAWS} draws")
