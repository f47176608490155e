"""Presets of our own shape: all modules on the node, a dense decoder, noise ± ½; on a processor.

Most take cross-entropy alone, in half an hour to three hours of one core.
"""

from host_training.models.architecture import Architecture
from host_training.presets.preset import Preset
from host_training.training.recipe import Recipe

DENSE = {
    "narrow-5": Preset(
        about=(
            "M3 on the node too, 5 M MACs: 84.83 % from 4.76 bytes on CIFAR-10, 1 seed; "
            "half an hour on one core of an EPYC."
        ),
        recipe=Recipe(
            model=Architecture(
                widths=(16, 40, 96),
                blocks=(1, 1, 1),
                has_module3_on_node=True,
                hidden=256,
                latents=64,
                noise_half_width=0.5,
            ),
            ce_epochs=40,
            duphil_epochs=2,
            batch_size=128,
            schedule="one-cycle",
            mcr2_learning_rate=0.0003,
            duphil_decoder_learning_rate=0.01,
            label_smoothing=0.1,
            cpu_threads=1,
        ),
        stage="ce",
        order="importance",
        results=("export-cifar10-narrow-5-ce-importance-1",),
    ),
    "narrow-20": Preset(
        about=(
            "The same at 19 M MACs, subbands of equal size, kernels by Muon: 88.80 % from 4.68 "
            "bytes on CIFAR-10 and 60.79 % from 11.39 on CIFAR-100, 1 seed each; 40 minutes on one "
            "core of an EPYC."
        ),
        recipe=Recipe(
            model=Architecture(
                widths=(32, 96, 160),
                blocks=(1, 1, 1),
                has_module3_on_node=True,
                hidden=256,
                latents=64,
                subband_gains=(2.0, 8.0, 8.0, 32.0),
                noise_half_width=0.5,
            ),
            ce_epochs=22,
            duphil_epochs=0,
            batch_size=500,
            learning_rate=0.2,
            schedule="one-cycle",
            optimiser="muon",
            mcr2_learning_rate=0.0003,
            duphil_decoder_learning_rate=0.01,
            label_smoothing=0.1,
            cpu_threads=1,
        ),
        stage="ce",
        order="importance",
        results=(
            "export-cifar10-narrow-20-ce-importance-1",
            "export-cifar100-narrow-20-ce-importance-1",
        ),
    ),
    "plain-20": Preset(
        about=(
            "Single convolutions and max-pooling behind a transform taken at every pixel, 19 M "
            "MACs: 89.68 % from 4.60 bytes on CIFAR-10 and 62.69 % from 11.13 on CIFAR-100, 1 seed "
            "each; half an hour on one core of an EPYC."
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
            ce_epochs=16,
            duphil_epochs=0,
            batch_size=500,
            learning_rate=0.2,
            schedule="one-cycle",
            optimiser="muon",
            mcr2_learning_rate=0.0003,
            duphil_decoder_learning_rate=0.01,
            label_smoothing=0.1,
            crop_pad=2,
            cpu_threads=1,
        ),
        stage="ce",
        order="importance",
        results=(
            "export-cifar10-plain-20-ce-importance-1",
            "export-cifar100-plain-20-ce-importance-1",
        ),
    ),
    "plain-20-medium": Preset(
        about=(
            "`plain-20` for longer, with a teacher: 91.72 % from 4.11 bytes on CIFAR-10, 1 seed; "
            "an hour on one core of a Xeon with AMX, after its teacher's."
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
            ce_epochs=80,
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
        teacher="wide-70-long",
        results=("export-cifar10-plain-20-medium-ce-importance-1",),
    ),
    "plain-20-fine": Preset(
        about=(
            "Goes on from `plain-20` in half the steps: 90.09 % from 4.47 bytes on CIFAR-10, 1 "
            "seed, one core of an EPYC."
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
            ce_epochs=16,
            duphil_epochs=0,
            batch_size=500,
            schedule="one-cycle",
            optimiser="muon",
            muon_learning_rate=0.02,
            mcr2_learning_rate=0.0003,
            duphil_decoder_learning_rate=0.01,
            label_smoothing=0.1,
            cutout=8,
            cpu_threads=1,
        ),
        stage="ce",
        order="importance",
        start_from="plain-20",
        results=("export-cifar10-plain-20-fine-ce-importance-1",),
    ),
    "wide-70": Preset(
        about=(
            "The transform at every other pixel, 68 M MACs: 66.18 % from 12.17 bytes on CIFAR-100, "
            "looked at six times 67.83 from 11.79; 1 seed, 80 minutes on one core of an EPYC."
        ),
        recipe=Recipe(
            model=Architecture(
                widths=(64, 128, 256),
                blocks=(1, 2, 2),
                has_module3_on_node=True,
                has_residuals=False,
                latents=64,
                subband_gains=(2.0, 8.0, 8.0, 32.0),
                noise_half_width=0.5,
            ),
            ce_epochs=16,
            duphil_epochs=0,
            batch_size=500,
            learning_rate=0.2,
            schedule="one-cycle",
            optimiser="muon",
            mcr2_learning_rate=0.0003,
            duphil_decoder_learning_rate=0.01,
            label_smoothing=0.1,
            crop_pad=2,
            cpu_threads=1,
        ),
        stage="ce",
        order="importance",
        results=(
            "export-cifar100-wide-70-ce-importance-1",
            "export-cifar100-wide-70-ce-importance-1-6-views",
        ),
        default_for=(
            "cifar100",
            "cifar100-coarse",
        ),
    ),
    "wide-70-long": Preset(
        about=(
            "`wide-70` for longer: 93.76 % from 3.89 bytes on CIFAR-10, and looked at twice 70.99 "
            "% from 11.92 on CIFAR-100; 1 seed each, 70 minutes on one core of a Xeon with AMX."
        ),
        recipe=Recipe(
            model=Architecture(
                widths=(64, 128, 256),
                blocks=(1, 2, 2),
                has_module3_on_node=True,
                has_residuals=False,
                latents=64,
                subband_gains=(2.0, 8.0, 8.0, 32.0),
                noise_half_width=0.5,
            ),
            ce_epochs=60,
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
        views=6,
        results=(
            "export-cifar10-wide-70-long-ce-importance-1-6-views",
            "export-cifar100-wide-70-long-ce-importance-1-2-views",
        ),
    ),
    "wide-70-fine": Preset(
        about=(
            "Goes on from `wide-70` in half the steps: 92.51 % from 4.60 bytes on CIFAR-10, "
            "1 seed; an hour and a half more on one core of an EPYC."
        ),
        recipe=Recipe(
            model=Architecture(
                widths=(64, 128, 256),
                blocks=(1, 2, 2),
                has_module3_on_node=True,
                has_residuals=False,
                latents=64,
                subband_gains=(2.0, 8.0, 8.0, 32.0),
                noise_half_width=0.5,
            ),
            ce_epochs=14,
            duphil_epochs=0,
            batch_size=500,
            schedule="one-cycle",
            optimiser="muon",
            muon_learning_rate=0.02,
            mcr2_learning_rate=0.0003,
            duphil_decoder_learning_rate=0.01,
            label_smoothing=0.1,
            cutout=8,
            cpu_threads=1,
        ),
        stage="ce",
        order="importance",
        views=6,
        start_from="wide-70",
        results=("export-cifar10-wide-70-fine-ce-importance-1-6-views",),
    ),
}
