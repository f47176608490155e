"""Loading: of a team's bundle what one member computes, its signature, files and canary looked at
once.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path

from device.encoder.canary import CanaryReport, check_parts
from device.encoder.loading import checked
from device.encoder.parts import Parts
from device.fog.team_config import TeamConfig
from link.base import durable
from link.bundle import Bundle, BundleError
from link.fog import MAX_PIXEL_BYTES, Model, Plan


@dataclass(frozen=True)
class LoadedParts:
    """The parts of a bundle that this machine can run, and who runs the others."""

    bundle: Bundle
    model: Model
    plan: Plan
    parts: Parts
    canary: CanaryReport | None


def load_parts(path: Path, signer: Path | None, config: TeamConfig) -> LoadedParts:
    """A team's bundle whose signature, files, parts and canary are right, or one of UNUSABLE."""
    bundle = checked(path, signer)
    if bundle.team is None:
        raise BundleError(
            f"bundle {path} is for one node, and node.toml has a [team]; export one of a preset "
            "branch-n, or leave [team] out"
        )
    try:
        plan = plan_of(config, bundle)
        model = Model.of(bundle, config.is_slow)
    except ValueError as error:
        raise BundleError(str(error)) from None
    image_bytes = math.prod(bundle.image.shape)
    if config.camera == "shared" and image_bytes > MAX_PIXEL_BYTES:
        raise BundleError(
            f"bundle {bundle.path} takes images of {image_bytes} bytes, and a camera that is "
            f'shared shows at most {MAX_PIXEL_BYTES} to the others: write camera = "each" into '
            "[team] and give every member one"
        )
    parts = Parts(bundle, plan.parts_of(config.member))
    return LoadedParts(bundle, model, plan, parts, check_parts(bundle, parts))


def plan_of(config: TeamConfig, bundle: Bundle) -> Plan:
    """Which members compute what; ValueError when that does not fit the bundle."""
    assert bundle.team is not None
    if config.placement is not None:
        plan = Plan.of(bundle.team, _read_placement(config.placement), config.members)
    else:
        plan = {"exchange": Plan.exchange, "replica": Plan.replica}[config.mode or ""](bundle.team)
    if plan.n_members != config.members:
        raise ValueError(
            f"[team] has {config.members} members, and bundle {bundle.path} is for "
            f"{plan.n_members}; write members = {plan.n_members}, or give a placement"
        )
    return plan


def _read_placement(path: Path) -> object:
    try:
        return json.loads(durable.read_small(path))
    except OSError as error:
        raise ValueError(f"[team] placement {path} cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"[team] placement {path} is no JSON: {error}") from None
