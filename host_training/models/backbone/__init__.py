"""Backbones: what has learned from a million photographs before the first of ours."""

from host_training.models.backbone.weights import WeightsError
