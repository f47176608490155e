"""Presets that learn from a teacher on a GPU, and the teacher: shaped as those of a processor."""

from host_training.models.architecture import Architecture
from host_training.presets.preset import Preset
from host_training.training.recipe import Recipe

DISTILLED = {
    "plain-5-long": Preset(
        about=(
            "3 M MACs: 86.52 % from 4.37 bytes on CIFAR-10, 1 seed; two to three minutes of an "
            "H200."
        ),
        recipe=Recipe(
            model=Architecture(
                widths=(12, 28, 64),
                blocks=(1, 2, 2),
                has_module3_on_node=True,
                has_residuals=False,
                hidden=256,
                latents=64,
                is_decimated=False,
                subband_gains=(2.0, 8.0, 8.0, 32.0),
                noise_half_width=0.5,
            ),
            ce_epochs=128,
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
        teacher="teacher",
        machine="GPU",
        results=("export-cifar10-plain-5-long-ce-importance-1",),
    ),
    "plain-20-long": Preset(
        about=(
            "19 M MACs, its latents as trained, of which a short prefix says most: 92.10 ± 0.25 % "
            "from 4.93 bytes on CIFAR-10, 3 seeds; rotated 92.21 ± 0.15 from 3.94; two to three "
            "minutes of an H200."
        ),
        recipe=Recipe(
            model=Architecture(
                widths=(32, 80, 160),
                blocks=(1, 2, 2),
                has_module3_on_node=True,
                has_residuals=False,
                hidden=256,
                latents=64,
                is_decimated=False,
                subband_gains=(2.0, 8.0, 8.0, 32.0),
                noise_half_width=0.5,
            ),
            ce_epochs=128,
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
        machine="GPU",
        results=(
            "export-cifar10-plain-20-long-ce",
            "export-cifar10-plain-20-long-ce-importance-1",
        ),
    ),
    "plain-120": Preset(
        about=(
            "118 M MACs a look: 94.48 ± 0.04 % from 3.57 bytes on CIFAR-10 and 75.31 ± 0.13 % from "
            "10.13 on CIFAR-100, 2 seeds each; two minutes and a half of an H200."
        ),
        recipe=Recipe(
            model=Architecture(
                widths=(80, 224, 336),
                blocks=(1, 2, 2),
                has_module3_on_node=True,
                has_residuals=False,
                latents=64,
                is_decimated=False,
                subband_gains=(2.0, 8.0, 8.0, 32.0),
                noise_half_width=0.5,
            ),
            ce_epochs=85,
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
        views=2,
        teacher="teacher",
        machine="GPU",
        results=(
            "export-cifar10-plain-120-ce-importance-1-2-views",
            "export-cifar100-plain-120-ce-importance-1-2-views",
        ),
    ),
    "teacher": Preset(
        about=(
            "312 M MACs, to teach the others: it never leaves the host. One minute of an H200; not "
            "measured by itself."
        ),
        recipe=Recipe(
            model=Architecture(
                widths=(128, 384, 512),
                blocks=(1, 2, 2),
                has_module3_on_node=True,
                has_residuals=False,
                hidden=1024,
                latents=256,
                is_decimated=False,
                subband_gains=(2.0, 8.0, 8.0, 32.0),
                noise_half_width=0.5,
            ),
            ce_epochs=42,
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
        machine="GPU",
    ),
}
