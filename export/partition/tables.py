"""Tables of a team: for its symbols, alive flags in front, and for what crosses its boundaries."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from export.entropy_model import Candidate, FittedTables
from link.bundle.manifest import TeamEntry
from link.coder import Tables, mean_bits, quantise

ALIVE = (1.0, 127.0)
"Weights of dead and alive."
UNSEEN = 0.5
"Count of a symbol that no training image has."


def with_flags(tables: Tables, team: TeamEntry) -> Tables:
    """Tables of latents (D,) behind an alive flag for each group; a dead one's are not sent."""
    flags = np.repeat(quantise(np.array([ALIVE])), tables.n_components, axis=0)
    latents = [np.diff(counts, axis=0).T for counts in tables.cumulative]
    return Tables.from_frequencies(
        [0] * team.groups + tables.symbol_min.tolist(),
        [*[flags] * team.groups, *latents],
        tables.prior,
        team.owner,
    )


def fitted_with_flags(
    fitted: FittedTables, validation: np.ndarray, team: TeamEntry
) -> FittedTables:
    """Candidates that were fitted to latents, for all symbols; `validation` int8 (N, groups + D)
    are those of its split.
    """
    candidates: list[Candidate] = []
    for candidate in fitted.candidates:
        tables = with_flags(candidate.tables, team)
        bits = mean_bits(validation, tables)
        candidates.append(replace(candidate, tables=tables, validation_bits=bits))
    return FittedTables(tuple(candidates))


def boundary_frequencies(symbols: np.ndarray, levels: int) -> np.ndarray:
    """Tables uint16 (c, levels), rows of 2**16, of symbols uint8 (groups, N, h, w, c)."""
    channels = symbols.reshape(-1, symbols.shape[-1]).T
    counts = np.array([np.bincount(channel, minlength=levels) for channel in channels])
    return quantise(np.maximum(counts, UNSEEN)).astype(np.uint16)


def write_boundaries(path: Path, crossing: Sequence[np.ndarray], team: TeamEntry) -> None:
    """boundaries.npz, from what crosses each boundary: symbols uint8 (groups, N, h, w, c)."""
    frequencies = {
        f"segment_{place}": boundary_frequencies(symbols, team.cut[place].levels)
        for place, symbols in enumerate(crossing)
    }
    np.savez(path, allow_pickle=False, **frequencies)
