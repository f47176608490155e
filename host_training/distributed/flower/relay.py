"""Relay: from a gateway to the devices that learn behind it, and back.

    answers = relay({3: message, 7: message}, folder, deadline_s=60)     # {3: update}

A device is a process of its own that stays: `latentlink learn`, at the Unix socket `folder/NUMBER`.
A connection carries one message and one answer, each behind its length in 4 bytes, big-endian; an
answer of length 0 says nothing. What does not answer is left out, and never waited for longer than
the others make likely. Nothing but Python's own modules: Flower starts a process for each message.
"""

import asyncio
import struct
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from statistics import median

LENGTH = struct.Struct(">I")
MAX_ANSWER_BYTES = 16 << 20
"Whole weights of four million parameters."
PATIENCE, LEAST_S = 3.0, 2.0
"Who is behind when half have answered has this many times as long as their median, and so long."


def relay(messages: Mapping[int, bytes], folder: Path | str, deadline_s: float) -> dict[int, bytes]:
    """What each device said to its message; those that said nothing in time are missing."""
    return asyncio.run(_relay(messages, Path(folder), deadline_s))


async def _relay(
    messages: Mapping[int, bytes], folder: Path, deadline_s: float
) -> dict[int, bytes]:
    began = time.monotonic()
    limit_s = deadline_s
    exchanges = {
        asyncio.create_task(_exchange(folder / str(device), message)): device
        for device, message in messages.items()
    }
    answers: dict[int, bytes] = {}
    took: list[float] = []
    pending = set(exchanges)
    while pending and (rest_s := began + limit_s - time.monotonic()) > 0:
        done, pending = await asyncio.wait(
            pending, timeout=rest_s, return_when=asyncio.FIRST_COMPLETED
        )
        for exchange in done:
            if answer := exchange.result():
                answers[exchanges[exchange]] = answer
                took.append(time.monotonic() - began)
        if 2 * len(took) >= len(exchanges):
            limit_s = min(deadline_s, max(LEAST_S, PATIENCE * median(took)))
    for exchange in pending:
        exchange.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    return answers


async def _exchange(socket: Path, message: bytes) -> bytes:
    """A device's answer; empty where it gave none."""
    try:
        reader, writer = await asyncio.open_unix_connection(socket)
    except OSError:
        return b""
    try:
        writer.write(LENGTH.pack(len(message)) + message)
        await writer.drain()
        (length,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
        return await reader.readexactly(length) if length <= MAX_ANSWER_BYTES else b""
    except (OSError, asyncio.IncompleteReadError):
        return b""
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
