"""What tests.studies.fuzz feeds: everything that reads bytes which somebody else wrote."""

from collections.abc import Callable
from dataclasses import dataclass

from link.carriers import rak3172, rn2483
from link.wire.framing import frame
from tests.studies.fuzz import bodies, ends, modems, states
from tests.studies.fuzz.harness import Surroundings, Target


@dataclass(frozen=True)
class Entry:
    """A target, and how many inputs it gets for each one of a slow target."""

    make: Callable[[Surroundings], Target]
    share: int = 12


TARGETS: dict[str, Entry] = {
    "header": Entry(bodies.packet_header),
    "chunk": Entry(bodies.chunk),
    "batch": Entry(bodies.batch),
    "report": Entry(bodies.report),
    "command": Entry(bodies.command),
    "control": Entry(bodies.control),
    "parity": Entry(bodies.parity, 2),
    "seal": Entry(bodies.seal),
    "deframer": Entry(bodies.deframer),
    "cobs": Entry(bodies.cobs),
    "latents": Entry(bodies.latents, 1),
    "tables": Entry(bodies.tables_file, 1),
    "manifest": Entry(bodies.manifest, 1),
    "recording": Entry(bodies.recording, 4),
    "lorawan": Entry(bodies.lorawan_packet),
    "chirpstack": Entry(bodies.chirpstack, 4),
    "things-stack": Entry(bodies.things_stack, 4),
    "rn2483": Entry(modems.carrier("rn2483-sf7", modems.RN2483_SAYS), 1),
    "rak3172": Entry(modems.carrier("rak3172-sf7", modems.RAK3172_SAYS), 1),
    "rn2483-events": Entry(
        modems.events(rn2483.parse_event, ["radio_rx  8007000141", "radio_rx 80"])
    ),
    "rak3172-events": Entry(modems.events(rak3172.parse_event, ["+EVT:RXP2P:-90:7:80070001"])),
    "e22": Entry(
        modems.carrier("e22-9600", [frame(b"packet"), frame(bytes(50))], is_text=False), 2
    ),
    "rn2483-emulator": Entry(modems.modem("rn2483-sf7", modems.RN2483_IS_TOLD), 1),
    "rak3172-emulator": Entry(modems.modem("rak3172-sf7", modems.RAK3172_IS_TOLD), 1),
    "e22-emulator": Entry(
        modems.modem("e22-9600", [frame(b"packet"), bytes(300)], is_text=False), 1
    ),
    "receiver": Entry(ends.receiver, 2),
    "sender": Entry(ends.sender, 2),
    "lorawan-receiver": Entry(ends.lorawan_receiver, 2),
    "lorawan-sender": Entry(ends.lorawan_sender, 2),
    "monitor": Entry(ends.monitor, 2),
    "rn2483-mac": Entry(modems.lorawan_carrier, 1),
    "counters": Entry(states.counters, 1),
    "ledger": Entry(states.ledger, 1),
    "outbox": Entry(states.outbox, 1),
    "signature": Entry(states.signature, 1),
}


def n_inputs_of(name: str, n_inputs: int) -> int:
    """This target's part of so many inputs."""
    shares = sum(entry.share for entry in TARGETS.values())
    return max(1, -(-n_inputs * TARGETS[name].share // shares))
