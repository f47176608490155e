"""Energy: what one image costs a node, by airtime and the radio's current, by measured time and the
computer's power.

    python -m device.energy node.toml [--computer zero2w] [--interval 60] [--sent 0.03]

AN ESTIMATE: nothing here was measured with a meter. Radio currents are their makers' typical
figures or others' measurements, as each line says; the computer's are others' measurements of a
Zero 2 W. The time of pre-processing, model, gate and coder is measured on the machine that runs
this command: run it on the node.
"""

import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from device.capture.gate import Gate
from device.computers import COMPUTERS, ComputerPower
from device.config import ConfigError, NodeConfig, load_config
from device.encoder.loading import UNUSABLE, Loaded, load
from link.medium import LinkTiming
from link.node import FIRST_CHUNK_OVERHEAD_BYTES
from link.output import program, readable_output

RADIO_V, N_RUNS, N_IMAGES = 3.3, 5, 8
DEFAULT_POWER_DBM = 14


@dataclass(frozen=True)
class RadioCurrents:
    """In mA at 3.3 V; transmission by power."""

    transmit_ma: dict[int, float]
    receive_ma: float
    idle_ma: float
    source: str


RADIOS = {
    "rn2483": RadioCurrents({14: 38.9}, 14.2, 2.8, "Microchip DS50002346, typical"),
    "rak3172": RadioCurrents(
        {20: 87.0}, 5.22, 0.0017, "RAKwireless' data sheet; users measured 115 mA at 20 dBm"
    ),
    "other": RadioCurrents(
        {17: 73.0, 20: 98.0},
        23.0,
        1.6,
        "an SX1276 board, as measured in arduino-LoRa issue 77; idle: standby of its data sheet",
    ),
}
"By the profile's carrier."


@dataclass(frozen=True)
class Estimate:
    """Energy of one captured image, in joules; transmission and listening of one that is sent."""

    compute_ms: float
    packet_bytes: int
    power_dbm: int
    "For which a current is known, nearest to the node's."
    airtime_ms: float
    listen_ms: float
    compute_j: float
    transmit_j: float
    listen_j: float
    wait_j: float
    "Energy of computer and radio from one capture to the next."
    total_j: float
    mean_w: float
    radio_source: str
    computer_source: str


def estimate(
    config: NodeConfig, computer: ComputerPower, interval_s: float, share_sent: float = 1.0
) -> Estimate:
    """The energy of a node with that interval that sends that share, one packet an image."""
    loaded = load(config.bundle, config.bundle_signer)
    compute_s, coded_bytes = measure(loaded, config.source.gate)
    link, timing = config.link, LinkTiming(config.link.profile, config.link.profile.turnaround_s)
    image_bytes = loaded.bundle.measured.bytes_per_image or coded_bytes
    packet_bytes = FIRST_CHUNK_OVERHEAD_BYTES + round(image_bytes)
    airtime_s = timing.airtime_s(packet_bytes)
    listen_s = timing.report_wait_s if link.has_downlink else 0.0
    radio = RADIOS.get(link.profile.carrier, RADIOS["other"])
    wanted_dbm = DEFAULT_POWER_DBM if link.power_dbm is None else link.power_dbm
    power_dbm = min(radio.transmit_ma, key=lambda known_dbm: abs(known_dbm - wanted_dbm))
    transmit_ma = radio.transmit_ma[power_dbm]
    is_radio = link.profile.is_radio
    transmit_j = airtime_s * RADIO_V * transmit_ma / 1000 if is_radio else 0.0
    listen_j = listen_s * RADIO_V * radio.receive_ma / 1000 if is_radio else 0.0
    wait_j = interval_s * (computer.idle_w + (RADIO_V * radio.idle_ma / 1000 if is_radio else 0.0))
    compute_j = compute_s * (computer.busy_w - computer.idle_w)
    total_j = compute_j + share_sent * (transmit_j + listen_j) + wait_j
    return Estimate(
        compute_ms=1000 * compute_s,
        packet_bytes=packet_bytes,
        power_dbm=power_dbm,
        airtime_ms=1000 * airtime_s,
        listen_ms=1000 * listen_s,
        compute_j=compute_j,
        transmit_j=transmit_j,
        listen_j=listen_j,
        wait_j=wait_j,
        total_j=total_j,
        mean_w=total_j / interval_s,
        radio_source=radio.source if is_radio else "a cable",
        computer_source=computer.source,
    )


def measure(loaded: Loaded, has_gate: bool) -> tuple[float, float]:
    """Seconds of this machine for one image, the fastest run, and bytes of its bitstream."""
    shape = loaded.bundle.image.shape
    images = np.random.default_rng(0).integers(0, 256, (N_IMAGES, *shape)).astype(np.uint8)
    gate = Gate()
    fastest_s, n_bytes = np.inf, 0
    for _ in range(N_RUNS):
        began_s, n_bytes = time.perf_counter(), 0
        for image in images:
            if has_gate:
                gate.lets_pass(image, 0.0)
            n_bytes += len(loaded.encode(image).bitstream)
        fastest_s = min(fastest_s, (time.perf_counter() - began_s) / N_IMAGES)
    return fastest_s, n_bytes / N_IMAGES


def main(argv: list[str] | None = None) -> int:
    readable_output()
    parser = program.Parser(prog="python -m device.energy", description=__doc__.split("\n\n")[0])
    parser.add_argument("config", type=Path, metavar="node.toml")
    parser.add_argument("--computer", choices=COMPUTERS, default="zero2w")
    parser.add_argument(
        "--interval",
        type=float,
        metavar="S",
        help="between captures (default: that of node.toml, or 60)",
    )
    parser.add_argument(
        "--sent", type=float, default=1.0, metavar="SHARE", help="of images that pass the gate"
    )
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(argv)
    try:
        config = load_config(arguments.config)
        if config.team:
            raise ConfigError(
                f"{arguments.config} is of a member of a team; an estimate is made of a node that "
                "works alone"
            )
        interval_s = arguments.interval or config.source.interval_s or 60.0
        found = estimate(config, COMPUTERS[arguments.computer], interval_s, arguments.sent)
    except (ConfigError, *UNUSABLE, OSError) as error:
        print(f"energy: {error}", file=sys.stderr)
        return 1
    print(
        json.dumps({"estimate": True, "interval_s": interval_s, **asdict(found)})
        if arguments.json
        else _text(found)
    )
    return 0


def _text(found: Estimate) -> str:
    lines = [
        "ESTIMATE, nothing was measured with a meter",
        (
            f"compute    {found.compute_j:9.4f} J  {found.compute_ms:.2f} ms on this machine; "
            f"{found.computer_source}"
        ),
        f"transmit   {found.transmit_j:9.4f} J  {found.packet_bytes} bytes, {found.airtime_ms:.1f} "
        f"ms at {found.power_dbm} dBm; {found.radio_source}",
        f"listen     {found.listen_j:9.4f} J  at most {found.listen_ms:.0f} ms for the answer",
        f"wait       {found.wait_j:9.4f} J  computer and radio idle until the next capture",
        (
            f"in all     {found.total_j:9.4f} J an image captured, {1000 * found.mean_w:.0f} mW "
            "on average"
        ),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
