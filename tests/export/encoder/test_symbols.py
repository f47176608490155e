"""Symbols as the host hears them. That they are the int8 encoder's own: test_tflite.py."""

from dataclasses import replace

import numpy as np

from export.encoder.symbols import clamped, received
from link.coder.tables import Tables
from tests.worlds.small_bundle import random_tables


def test_the_host_hears_a_symbol_outside_its_table_clamped_and_nothing_else_changed():
    tables = random_tables(seed=3)
    symbols = np.random.default_rng(0).integers(-30, 30, (50, tables.n_latents)).astype(np.int8)
    heard = received(lambda images: symbols, tables)(np.zeros((50, 1, 1, 1), np.uint8))
    low, high = tables.symbol_min, tables.symbol_min + tables.alphabet - 1
    assert heard.dtype == np.int8
    assert ((heard >= low) & (heard <= high)).all()
    inside = (symbols >= low) & (symbols <= high)
    assert inside.any()
    assert not inside.all()
    assert (heard[inside] == symbols[inside]).all()


def test_what_a_dead_group_does_not_send_stays_0_also_where_its_tables_have_no_0():
    tables = Tables.from_counts([0, 3], [np.array([1, 2]), np.array([5, 6])])
    tables = replace(tables, owner=(-1, 0))
    heard = clamped(np.array([[1, 9], [0, 0]], np.int8), tables)
    assert heard.tolist() == [[1, 4], [0, 0]]
