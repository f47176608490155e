"""Presets of teams: one encoder cut over several nodes (our reading of EDDL)."""

from host_training.models.architecture import Architecture, Team
from host_training.presets.preset import Preset
from host_training.training.recipe import Recipe

BRANCHES = {
    "branch-7": Preset(
        about="Seven nodes of 3.0 M MACs and 75 k weights each.",
        recipe=Recipe(
            model=Architecture(
                team=Team(),
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
        teacher="teacher",
    ),
}
