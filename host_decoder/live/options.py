"""What one live run is made of, and what its node is told."""

from dataclasses import dataclass, replace
from pathlib import Path

from host_decoder.errors import HostError
from link.bundle import Bundle
from link.emulator import parse_loss
from link.medium import LinkProfile, get_profile
from link.picture import Replay, ReplayError
from link.settings import toml_text

DRAWN_REPLAY = "replay.npz"


class LiveError(HostError):
    """The run cannot begin or go on; the message says why and what to do."""


@dataclass(frozen=True)
class LiveOptions:
    """What one live run is made of."""

    bundle: Path
    replay: Path
    "Images uint8 (N, H, W, C), labels and classes in an .npz file."
    link: str = "lora-sf7"
    loss: str = "none"
    "The loss of frames (radio) or bytes (serial), as link.emulator.channel.parse_loss reads it."
    bit_errors: float = 0.0
    images: int | None = None
    "So many, drawn from the replay file by the seed; None: all of it, in its order."
    interval_s: float = 0.0
    seed: int = 0
    has_downlink: bool = True
    "The host answers; without it every image is sent once and what is lost is lost."
    verdict: float | None = None
    """Calibrated confidence at which the host tells the node that an image needs no further chunk;
    None: never.
    """
    first_chunk_bytes: int | None = None
    chunk_bytes: int | None = None
    """Bytes of an image's bitstream in its chunk 0 and in later ones; None: as much as a packet
    takes.
    """
    store: Path | None = None
    "None: in the run's folder, gone at the end."


def profile_of(options: LiveOptions) -> LinkProfile:
    """The line that a run emulates; LiveError when that, or what is wanted of it, cannot be."""
    if options.link.startswith("/"):
        raise LiveError(
            f"live emulates its line and cannot use the port {options.link}; name a link profile, "
            "or run `python -m host_decoder listen` here and `python -m device` on the node"
        )
    if options.verdict is not None and not options.has_downlink:
        raise LiveError(
            "a verdict needs a downlink, or the node never hears it; leave one of the two options "
            "out"
        )
    try:
        profile = get_profile(options.link)
        parse_loss(options.loss)
    except ValueError as error:
        raise LiveError(str(error)) from None
    if profile.carrier == "udp":
        raise LiveError(
            "live emulates its line, and udp needs none; run `python -m host_decoder listen` here "
            "and `python -m device` on the node, both with profile udp, this host being one of the "
            "node's peers"
        )
    return profile


def node_toml(options: LiveOptions, node: int, port: str, frequency_hz: int | None) -> str:
    """What the node is told; an emulated line does not radiate."""
    source = {
        "kind": "replay",
        "path": str(options.replay.resolve()),
        "interval_s": options.interval_s,
        "limit": options.images,
    }
    link = {
        "port": port,
        "profile": options.link,
        "region": "wire",
        "frequency_hz": frequency_hz,
        "downlink": options.has_downlink,
        "first_chunk_bytes": options.first_chunk_bytes,
        "chunk_bytes": options.chunk_bytes,
    }
    entries = {"node": node, "bundle": str(options.bundle.resolve()), "key_dir": "keys"}
    return (
        toml_text.lines(entries)
        + f"[source]\n{toml_text.lines(source)}"
        + f"[link]\n{toml_text.lines(link)}"
    )


def draw_replay(options: LiveOptions, replay: Replay, folder: Path) -> LiveOptions:
    """The options of a run with a part of its replay, drawn into a file in `folder`."""
    if options.images is None or options.images >= len(replay):
        return replace(options, images=None)
    replay.drawn(options.images, options.seed).write(folder / DRAWN_REPLAY)
    return replace(options, replay=folder / DRAWN_REPLAY, images=None)


def read_replay(path: Path, bundle: Bundle) -> Replay:
    """Checked to be labelled in the words of the bundle, or every answer would be wrong."""
    if not path.is_file():
        raise LiveError(
            f"there is no replay file {path}; `python -m host_training replay` writes one"
        )
    try:
        replay = Replay.read(path)
    except (ReplayError, OSError) as error:
        raise LiveError(str(error)) from None
    if unknown := [name for name in replay.classes if name not in bundle.classes]:
        raise LiveError(
            f"replay file {path} has the class '{unknown[0]}', bundle {bundle.path} knows "
            f"{', '.join(bundle.classes[:12])}; replay the data set that the bundle was made for"
        )
    return replay
