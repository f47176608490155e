"""Presets for photos of one's own that start from a backbone which has learned ImageNet.

They reach in minutes what a model from nothing does not in hours, and are for folders alone.
"""

from host_training.models.architecture import Architecture, Backbone
from host_training.presets.preset import Preset
from host_training.training.recipe import Recipe

PHOTOS = {
    "photo": Preset(
        about=(
            "The first eleven blocks of EfficientNet-Lite0 behind images of side 128, 84 M MACs "
            "in less than 1 MB, fine-tuned from block 5 on: 96.44 ± 0.42 % from 3.44 bytes on 20 "
            "classes of groceries, 1,775 photos, 3 seeds; five minutes of a core."
        ),
        recipe=Recipe(
            model=Architecture(
                backbone=Backbone(blocks=11, frozen=5),
                hidden=128,
                latents=16,
                noise_half_width=0.5,
            ),
            ce_epochs=7,
            duphil_epochs=0,
            batch_size=32,
            learning_rate=1e-3,
            backbone_learning_rate=3e-4,
            weight_decay=1e-2,
            schedule="one-cycle",
            label_smoothing=0.1,
            crop=0.75,
            front_views=4,
            rate_weight=0.01,
        ),
        stage="ce",
        order="importance",
        coarseness=0.75,
        image_size=128,
        results=("photos-grocery-photo",),
    ),
    "photo-large": Preset(
        about=(
            "The whole of EfficientNet-Lite0 behind images of side 224, 384 M MACs in less than "
            "4 MB, fine-tuned from block 8 on: 97.98 ± 0.20 % from 2.64 bytes on 20 classes of "
            "groceries, 1,775 photos, 3 seeds; 13 minutes of a core."
        ),
        recipe=Recipe(
            model=Architecture(
                backbone=Backbone(blocks=16, frozen=8),
                hidden=128,
                latents=16,
                noise_half_width=0.5,
            ),
            ce_epochs=7,
            duphil_epochs=0,
            batch_size=32,
            learning_rate=1e-3,
            backbone_learning_rate=3e-4,
            weight_decay=1e-2,
            schedule="one-cycle",
            label_smoothing=0.1,
            crop=0.75,
            front_views=4,
            rate_weight=0.01,
        ),
        stage="ce",
        order="importance",
        coarseness=0.75,
        image_size=224,
        results=("photos-grocery-photo-large",),
    ),
    "photo-small": Preset(
        about=(
            "The first eight blocks of EfficientNet-Lite0 behind images of side 96, 30 M MACs in "
            "400 kB; taught by `photo`: 95.09 ± 0.81 % from 3.94 bytes on 20 classes of groceries, "
            "1,775 photos, 3 seeds; five minutes of a core after its teacher's."
        ),
        recipe=Recipe(
            model=Architecture(
                backbone=Backbone(blocks=8, frozen=3),
                hidden=128,
                latents=16,
                noise_half_width=0.5,
            ),
            ce_epochs=16,
            duphil_epochs=0,
            batch_size=32,
            learning_rate=1e-3,
            backbone_learning_rate=3e-4,
            weight_decay=1e-2,
            schedule="one-cycle",
            label_smoothing=0.1,
            crop=0.75,
            front_views=4,
            rate_weight=0.01,
        ),
        stage="ce",
        order="importance",
        coarseness=0.75,
        teacher="photo",
        image_size=96,
        results=("photos-grocery-photo-small",),
    ),
}
