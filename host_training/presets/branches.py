"""Presets of teams: one encoder cut over several nodes (our reading of EDDL)."""

from host_training.models.architecture import Architecture, Team
from host_training.presets.preset import Preset
from host_training.training.recipe import Recipe

BRANCHES = {
    "branch-3": Preset(
        about=(
            "Three nodes that hear one other each, 3.0 M MACs and 70 k weights a node: a small "
            "team for trying out, not measured."
        ),
        recipe=Recipe(
            model=Architecture(
                team=Team(nodes=3, widths=((12, 14, 22), (30, 44), (48,))),
                hidden=40,
                latents=63,
                subband_gains=(2.0, 8.0, 8.0, 32.0),
                noise_half_width=0.5,
            ),
            ce_epochs=32,
            duphil_epochs=0,
            batch_size=500,
            learning_rate=0.2,
            schedule="one-cycle",
            optimiser="muon",
            mcr2_learning_rate=0.0003,
            duphil_decoder_learning_rate=0.01,
            label_smoothing=0.1,
            cutout=8,
            cpu_threads=1,
        ),
        stage="ce",
        order="importance",
        coarseness=3.0,
    ),
    "branch-7": Preset(
        about=(
            "Seven nodes wired by the Fano plane, 3.0 M MACs and 75 k weights a node, of whom any "
            "two may die: 89.83 ± 0.10 % from 4.88 bytes of CIFAR-10, one dead 88.51 %, two "
            "86.70 %; taught by models/cifar10, two seeds."
        ),
        recipe=Recipe(
            model=Architecture(
                team=Team(nodes=7, widths=((12, 12, 20), (28, 40), (40,))),
                hidden=40,
                latents=63,
                subband_gains=(2.0, 8.0, 8.0, 32.0),
                noise_half_width=0.5,
            ),
            ce_epochs=32,
            duphil_epochs=0,
            batch_size=500,
            learning_rate=0.2,
            schedule="one-cycle",
            optimiser="muon",
            mcr2_learning_rate=0.0003,
            duphil_decoder_learning_rate=0.01,
            label_smoothing=0.1,
            cutout=8,
            cpu_threads=1,
        ),
        stage="ce",
        order="importance",
        coarseness=3.0,
        results=("study-fog-medium",),
    ),
    "branch-13": Preset(
        about=(
            "Thirteen nodes wired by the projective plane of order 3, 2.8 M MACs and 75 k weights "
            "a node: not measured."
        ),
        recipe=Recipe(
            model=Architecture(
                team=Team(nodes=13, widths=((12, 12, 18), (24, 36), (36,))),
                hidden=40,
                latents=65,
                subband_gains=(2.0, 8.0, 8.0, 32.0),
                noise_half_width=0.5,
            ),
            ce_epochs=32,
            duphil_epochs=0,
            batch_size=500,
            learning_rate=0.2,
            schedule="one-cycle",
            optimiser="muon",
            mcr2_learning_rate=0.0003,
            duphil_decoder_learning_rate=0.01,
            label_smoothing=0.1,
            cutout=8,
            cpu_threads=1,
        ),
        stage="ce",
        order="importance",
        coarseness=3.0,
    ),
}
