import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from export.encoder.model_file import builtin_operator, read_model
from export.partition.tables import boundary_frequencies
from export.partition.worth import arena_bytes, costs, part_cost, published
from link.fog.tensors import Boundary
from tests.worlds.team_bundle import chain_of, make_team_bundle, random_images


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_team_bundle(tmp_path_factory.mktemp("team") / "bundle")


def test_a_parts_cost_is_that_of_its_convolutions(bundle):
    first = part_cost(bundle.part_path(0, 0))
    assert (first.macs, first.parameters) == (8 * 8 * 4 * 9, 4 * 9 + 4)
    last = part_cost(bundle.part_path(2, 1))
    assert last.macs == 2 * 2 * 8 * 9 * 6 + 8 * 2
    assert [len(row) for row in costs(bundle.path, bundle.team)] == [3, 3, 3]


def test_an_arena_holds_an_operators_input_and_output(bundle):
    path = bundle.part_path(0, 0)
    kinds = [
        builtin_operator(read_model(path), one) for one in read_model(path).subgraphs[0].operators
    ]
    assert kinds == [schema.BuiltinOperator.CONV_2D, schema.BuiltinOperator.MAX_POOL_2D]
    assert arena_bytes(path) == 8 * 8 * 4 + 4 * 4 * 4


def test_published_bytes_are_what_a_node_sends_but_for_the_form(bundle):
    crossing = chain_of(bundle).boundaries(random_images(20))
    tables = {
        f"segment_{place}": boundary_frequencies(symbols, bundle.team.cut[place].levels)
        for place, symbols in enumerate(crossing)
    }
    nibbles, coded = published(crossing, tables)
    sent = {False: 0.0, True: 0.0}
    for place, symbols in enumerate(crossing):
        boundary = Boundary(bundle.team.cut[place], tables[f"segment_{place}"])
        for is_coded in sent:
            each = symbols.reshape(-1, *symbols.shape[2:])
            sizes = [len(boundary.encode(one, is_coded)) - 1 for one in each]
            sent[is_coded] += float(np.mean(sizes))
    assert sent[False] == nibbles
    assert coded < sent[True] < coded + 2 * len(crossing)
