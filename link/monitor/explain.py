"""Explain: what an opened body says, in words for a person at a screen."""

from dataclasses import dataclass

from link.lorawan import wire as lorawan
from link.wire.control import Hello, Parity, Report, Status, Time, unpack_command
from link.wire.packet import Chunk, PacketType, unpack_batch


@dataclass(frozen=True)
class Explained:
    """A body in words, and what of it the statistics want."""

    text: str
    chunks: tuple[Chunk, ...] = ()
    status: Status | None = None
    reference: int | None = None
    "LoRaWAN: the image id that this body told."
    is_malformed: bool = False
    is_open: bool = True


def explain_uplink(kind: PacketType, body: bytes, counter: int) -> Explained:
    """A native body, opened."""
    try:
        if kind == PacketType.DATA:
            return _chunks([Chunk.unpack(body, counter)])
        if kind == PacketType.BATCH:
            return _chunks(unpack_batch(body, counter))
        if kind == PacketType.PARITY:
            parity = Parity.unpack(body, counter)
            return Explained(
                f"symbol {parity.index + 1} of {parity.n_parity} over packets "
                f"{list(parity.members)}"
            )
        if kind == PacketType.STATUS:
            return _status(Status.unpack(body))
        return Explained(_hello(Hello.unpack(body)))
    except ValueError as error:
        return Explained(str(error), is_malformed=True)


def explain_lorawan(kind: PacketType, body: bytes, reference: int) -> Explained:
    """A body as LoRaWAN carries it; `reference` is the image id told last."""
    try:
        if kind == PacketType.DATA:
            return _chunks([lorawan.unpack_chunk(body, reference)])
        if kind == PacketType.BATCH:
            return _chunks(lorawan.unpack_batch(body, reference))
        if kind == PacketType.STATUS:
            return _status(Status.unpack(body))
        if kind == PacketType.HELLO:
            greeting = lorawan.Greeting.unpack(body)
            return Explained(
                f"bundle {greeting.bundle_id.hex()}, images near {greeting.image}",
                reference=greeting.image,
            )
        raise ValueError(f"{kind.name} has no place in LoRaWAN")
    except ValueError as error:
        return Explained(str(error), is_malformed=True)


def explain_downlink(kind: PacketType, body: bytes, latest: int) -> str:
    """A native body, opened; `latest` is the highest counter that its node may have used."""
    try:
        if kind == PacketType.REPORT:
            return _report(Report.unpack(body, latest))
        if kind == PacketType.TIME:
            return f"{Time.unpack(body).unix_s:.3f} s Unix time"
        return str(unpack_command(body))
    except ValueError as error:
        return str(error)


def figure(value: float | None, unit: str) -> str:
    return "-" if value is None else f"{value:.1f} {unit}".rstrip()


def _chunks(chunks: list[Chunk]) -> Explained:
    text = "; ".join(
        (
            f"image {chunk.image} chunk {chunk.index}{' (last)' if chunk.is_last else ''}, "
            f"{len(chunk.bitstream)} B"
        )
        + (f", {chunk.age_s:.1f} s old" if chunk.age_s is not None else "")
        for chunk in chunks
    )
    return Explained(
        text or "nothing", tuple(chunks), reference=chunks[-1].image if chunks else None
    )


def _status(status: Status) -> Explained:
    budget = figure(status.budget_s, "s")
    fault = f"; CAPTURES NOTHING: {status.fault}" if status.fault else ""
    text = f"{status.queue_images} images wait, budget {budget}, {status.n_evicted} evicted{fault}"
    return Explained(text, status=status)


def _hello(hello: Hello) -> str:
    wants = [
        name
        for name, wanted in (("time", hello.wants_time), ("a slot", hello.wants_slot))
        if wanted
    ]
    tags = ", long tags" if hello.has_long_tags else ""
    return (
        f"bundle {hello.bundle_id.hex()}{', wants ' + ' and '.join(wants) if wants else ''}{tags}"
    )


def _report(report: Report) -> str:
    others = [
        report.highest - i
        for i in range(16)
        if not report.received >> i & 1 and report.highest >= i
    ]
    enough = f", enough for the newest chunks {report.enough_places()}" if report.enough else ""
    return (
        f"all up to {report.highest}{f' but {others}' if others else ''}{enough}, budget "
        f"{figure(report.budget_s, 's')}"
    )
