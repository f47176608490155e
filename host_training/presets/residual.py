"""Presets of the paper's shape: residual modules, the last of them on the host; two phases.

The wavelet is Haar where none is named.
"""

from host_training.models.architecture import Architecture
from host_training.presets.preset import Preset
from host_training.training.recipe import Recipe

RESIDUAL = {
    "digits": Preset(
        about=(
            "The embedded scans: 98.44 ± 0.51 % from 4.19 bytes, mean of 5 seeds, live over an "
            "emulated line; one core of a Xeon."
        ),
        recipe=Recipe(
            model=Architecture(
                base_width=32,
                blocks=(1, 1, 1),
                pooled=2,
                hidden=128,
                latents=16,
                latent_decoder_width=64,
                upsamplings=2,
                features=32,
            ),
            ce_epochs=60,
            duphil_epochs=10,
            batch_size=64,
            schedule="one-cycle",
            duphil_batch_size=250,
            mcr2_learning_rate=0.001,
            duphil_decoder_learning_rate=0.01,
            cpu_threads=1,
        ),
        stage="duphil",
        results=("seeds-digits",),
        default_for=("digits",),
    ),
    "cifar-16": Preset(
        about=("The paper's shape at width 16, for small nodes. Not measured at this length."),
        recipe=Recipe(
            model=Architecture(base_width=16, hidden=128, latents=64, latent_decoder_width=64),
            ce_epochs=100,
            duphil_epochs=10,
            batch_size=128,
            schedule="one-cycle",
            mcr2_learning_rate=0.001,
            duphil_decoder_learning_rate=0.01,
        ),
        stage="duphil",
    ),
    "cifar-16-short": Preset(
        about=(
            "The studies' reduced size: 71.37 % from 12.09 bytes on CIFAR-10 and 23.93 % from "
            "13.36 on CIFAR-100, 3 seeds each, one core of an EPYC."
        ),
        recipe=Recipe(
            model=Architecture(
                base_width=16, blocks=(1, 1, 1), hidden=128, latents=64, latent_decoder_width=32
            ),
            ce_epochs=12,
            duphil_epochs=3,
            batch_size=128,
            schedule="one-cycle",
            mcr2_learning_rate=0.001,
            duphil_decoder_learning_rate=0.01,
            cpu_threads=1,
        ),
        stage="duphil",
        results=("study-duphil-reduced",),
    ),
    "cifar-32": Preset(
        about=(
            "The paper's shape at width 32; what `cifar-32-fine` begins with. Not measured by "
            "itself."
        ),
        recipe=Recipe(
            model=Architecture(base_width=32, hidden=256, latents=64, latent_decoder_width=64),
            ce_epochs=100,
            duphil_epochs=10,
            batch_size=128,
            schedule="one-cycle",
            mcr2_learning_rate=0.001,
            duphil_decoder_learning_rate=0.01,
        ),
        stage="duphil",
        default_for=("cifar10",),
    ),
    "cifar-32-quick": Preset(
        about=(
            "The studies' medium size: 88.02 % from 10.83 bytes on CIFAR-10 and 55.56 % from 20.88 "
            "on CIFAR-100, 3 seeds each, an H200."
        ),
        recipe=Recipe(
            model=Architecture(base_width=32, hidden=256, latents=64, latent_decoder_width=64),
            ce_epochs=40,
            duphil_epochs=20,
            batch_size=500,
            learning_rate=0.4,
            schedule="one-cycle",
            mcr2_learning_rate=0.0003,
            duphil_decoder_learning_rate=0.003,
        ),
        stage="duphil",
        machine="GPU",
        results=(
            "study-duphil-medium-cifar10",
            "study-duphil-medium-cifar100",
        ),
    ),
    "cifar-32-fine": Preset(
        about=(
            "Goes on from `cifar-32` with noise ± ½ and cutout: 90.12 % from 7.52 bytes on "
            "CIFAR-10, rotated 90.45 from 4.53; 1 seed, one core of a Xeon, two hours."
        ),
        recipe=Recipe(
            model=Architecture(
                base_width=32, hidden=256, latents=64, latent_decoder_width=64, noise_half_width=0.5
            ),
            ce_epochs=45,
            duphil_epochs=5,
            batch_size=128,
            learning_rate=0.05,
            schedule="one-cycle",
            mcr2_learning_rate=0.0003,
            duphil_decoder_learning_rate=0.01,
            cutout=8,
        ),
        stage="duphil",
        start_from="cifar-32",
        results=(
            "export-cifar10-cifar-32-fine",
            "turn-cifar10-cifar-32-fine-1",
        ),
    ),
    "cifar-64": Preset(
        about=(
            "The paper's CIFAR-10 model and schedule, behind the 5/3 wavelet of its authors' "
            "code. Not measured."
        ),
        recipe=Recipe(
            model=Architecture(
                base_width=64,
                hidden=512,
                latents=128,
                latent_decoder_width=128,
                wavelet="bior2.2",
            ),
            ce_epochs=200,
            duphil_epochs=100,
            batch_size=200,
            learning_rate=0.1,
            schedule="milestones",
            duphil_batch_size=1000,
            mcr2_learning_rate=1e-4,
            duphil_decoder_learning_rate=1e-3,
        ),
        stage="duphil",
        machine="GPU",
    ),
    "cifar100-64": Preset(
        about=(
            "The paper's ResNet-34 layout for CIFAR-100 (3-4-6 blocks, our reading), behind the "
            "5/3 wavelet of its authors' code. Not measured."
        ),
        recipe=Recipe(
            model=Architecture(
                base_width=64,
                blocks=(3, 4, 6),
                hidden=512,
                latents=128,
                latent_decoder_width=128,
                wavelet="bior2.2",
            ),
            ce_epochs=200,
            duphil_epochs=100,
            batch_size=200,
            learning_rate=0.1,
            schedule="milestones",
            duphil_batch_size=1000,
            mcr2_learning_rate=1e-4,
            duphil_decoder_learning_rate=1e-3,
        ),
        stage="duphil",
        machine="GPU",
    ),
    "photo-32": Preset(
        about=(
            "`cifar-32` with a strided stem, for a folder of one's own images of side 64: "
            "85.42 ± 2.22 % from 12.34 bytes on 20 classes of groceries, 1,775 photos, 3 seeds; "
            "4 minutes of a core."
        ),
        recipe=Recipe(
            model=Architecture(
                base_width=32, stem_stride=2, hidden=256, latents=64, latent_decoder_width=64
            ),
            ce_epochs=60,
            duphil_epochs=10,
            batch_size=128,
            schedule="one-cycle",
            mcr2_learning_rate=0.001,
            duphil_decoder_learning_rate=0.01,
        ),
        stage="duphil",
        results=("photos-grocery-photo-32",),
    ),
}
