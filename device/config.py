"""node.toml: everything one node is told, checked once, here.

node = 1                   # from 1 to 254, as the host knows it
bundle = "bundle"          # paths are relative to this file
key_dir = "keys"           # node.key and counter.json, made by: python -m link provision
state_dir = "state"        # optional (else key_dir): what waits to be sent, and the airtime spent;
                           # of this node alone
bundle_signer = "bundle-signing.pub"   # optional: run only bundles that the owner of this key has
                                       # signed
edgetpu = true             # optional: a Coral computes the encoder, where there is one
max_queue_mb = 16          # optional: beyond it old refinements go first, then the oldest images
[source]                   # a member of a team does without, where it has no camera of its own
kind = "v4l2"              # replay, folder, v4l2 or picamera2
device = 0                 # of a camera: its number, of v4l2 also its path
path = "photos"            # of replay the .npz file, of folder the folder
limit = 100                # optional: images after which the node ends
loop = true                # optional: replay and folder begin again after their last image
interval_s = 60            # optional: from one capture to the next; from 30 on the camera is closed
                           # in between
hours = "06:00-20:00"      # optional: capture only then, in UTC; needs wants_time
gate = true                # optional: leave out what shows nothing new,
gate_threshold = 7         # that is what differs by less than this,
heartbeat_s = 3600         # but send an image at least so often
[link]                     # a member of a team does without, where it has no modem
port = "/dev/ttyUSB0"
profile = "rn2483-sf9"     # a name of: python -m link profiles; it says the modem too
bitrate_bps = 57600        # optional: of the serial port
peers = ["10.0.0.5:4300"]  # of profile udp: where packets go; its port is the address to receive
                           # at, "0.0.0.0:4300"
region = "eu868"           # whose rules the radio keeps: eu868, us915, wire (does not radiate);
                           # silent without
frequency_hz = 869525000   # says the sub-band
power_dbm = 14             # optional
max_packet_bytes = 51      # optional: shorter packets than the profile takes
downlink = true            # false: nobody answers, every image is sent once, with parity
parity = "8+2"             # without a downlink only: 2 parity packets for every 8
first_chunk_bytes = 4      # optional: cut images into chunks, so that the host can say when it
                           # knows enough
chunk_bytes = 2
wants_time = true          # optional: the host tells the time
wants_slot = true          # optional: the host gives each node of a channel its time to speak
[link.lorawan]             # optional: the modem (an RN2483) speaks LoRaWAN, at the profile's data
                           # rate in EU868
app_key = "keys/app.key"   # a file with the 32 hex digits that the network server shows
dev_eui = "70B3D57ED0001234"   # optional: else the one burnt into the module
join_eui = "0000000000000000"  # optional
[team]                     # optional: the encoder is cut over several nodes, which are one to the
                           # host: all have its number and its key
member = 3                 # from 0
members = 7
mode = "exchange"          # every member has its own part; or "replica": so many have each that the
                           # answer stays the same although some die
placement = "placement.json"   # or else: for each segment and group the members that compute it
camera = "each"            # every member sees for itself; or "shared": one for all
port = "0.0.0.0:4310"      # the UDP address to receive at; or a serial port that all share
peers = ["10.0.0.2:4310"]  # where the members receive, by their numbers;
multicast = "239.77.0.1:4310"  # or a group that all are in: one datagram reaches all of them
bitrate_bps = 115200       # optional: of a serial port; what is slow is coded shorter
patience_ms = 50           # optional: how long a segment waits for what is missing
silent_modem_s = 300       # optional: after so long in which the host is not known to have got
                           # anything another member's modem has its turn
[learn]                    # optional: what `latentlink learn` reads (docs/learn.md); one encoder is
                           # learned by many devices
run = "run"                # the folder from the run's host
device = 3                 # as that host knows it
key = "keys/learn.key"     # made at the first start
shard = "shard"            # its images and labels
state_dir = "learn"
socket = "learn.sock"      # where the server's messages come in
hours = "22:00-06:00"      # optional: learn only then, in UTC
round_s = 600              # optional: end a round after so long
max_celsius = 70           # optional: rest while the machine is hotter
day_wh = 2                 # optional: energy for learning a day, by the extra power of
computer = "zero2w"        # optional
"""

from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from device.capture.source_config import SourceConfig, read_source
from device.fog.team_config import TeamConfig, read_team
from device.link_config import LinkConfig, read_link
from device.training.learn_config import LearnConfig, read_learn
from link.security import MAX_NODE
from link.settings import read_toml, rename_keys, setting

DEFAULT_QUEUE_MB = 16
MEGABYTE = 1_000_000


class ConfigError(ValueError):
    """node.toml cannot be used; the message names the file, the key and what to write instead."""


@dataclass(frozen=True, kw_only=True)
class NodeConfig:
    """One node."""

    node: int = setting.key(setting.whole(1, MAX_NODE))
    bundle: Path = setting.key(setting.PATH)
    key_dir: Path = setting.key(setting.PATH)
    state_dir: Path = setting.key(setting.PATH, None)
    "Where nothing is said, key_dir."
    max_queue_bytes: int = setting.key(
        setting.whole(1, 100_000), DEFAULT_QUEUE_MB * MEGABYTE, name="max_queue_mb"
    )
    bundle_signer: Path | None = setting.key(setting.PATH, None)
    "The public key of whoever may give this node bundles; None: bundles are not signed."
    edgetpu: bool = setting.key(setting.YES_OR_NO, False)
    "A Coral computes the encoder, where there is one."
    source: SourceConfig = setting.key(setting.SECTION, None)
    "There always, but in a member of a team that has no camera: None."
    link: LinkConfig = setting.key(setting.SECTION, None)
    "There always, but in a member of a team that has no modem: None."
    team: TeamConfig | None = setting.key(setting.SECTION, None)
    "None: this node is alone."
    learn: LearnConfig | None = setting.key(setting.SECTION, None)
    "For the process that learns, if there is one."
    notices: tuple[str, ...] = field(default=(), compare=False)
    "What the person should change in node.toml."


def load_config(path: Path | str, folder: Path | None = None) -> NodeConfig:
    """Read node.toml; ConfigError when it is missing, no TOML, or says something that cannot be.

    `folder`: what its paths are relative to, of a copy that lies elsewhere.
    """
    path = Path(path)
    folder = folder or path.parent
    table = read_toml(path, ConfigError)
    renamed: dict[str, str] = {}
    rename_keys("link", table.get("link"), f"[link] of {path}", renamed)
    try:
        config = setting.read(
            NodeConfig,
            table,
            folder=folder,
            source=partial(read_source, folder=folder),
            link=partial(read_link, folder=folder),
            team=partial(read_team, folder=folder),
            learn=partial(read_learn, folder=folder),
            max_queue_mb=MEGABYTE.__mul__,
        )
        _check_sections(config)
        wants_time = config.link and config.link.wants_time
        if config.source and config.source.hours and not wants_time:
            raise ValueError(
                "[source] hours needs [link] wants_time = true: the node has no clock of its own"
            )
        state_dir = config.state_dir or config.key_dir
        return replace(config, state_dir=state_dir, notices=tuple(renamed.values()))
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from None


def _check_sections(config: NodeConfig) -> None:
    """That a node has all that it needs; a member of a team may leave something to others."""
    if config.team is None:
        for key, section in (("source", config.source), ("link", config.link)):
            if section is None:
                raise ValueError(f'key "{key}" is missing')
    elif config.team.camera == "each" and config.source is None:
        raise ValueError(
            '[source] is missing: with [team] camera = "each" every member needs one; with '
            '"shared" those need one that have a camera'
        )
