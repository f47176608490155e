"""What the node tells its console: a line a person reads, or a line of JSON for the program that started it."""

import base64
import json

from device.node import Outgoing


def text_line(outgoing: Outgoing) -> str:
    label = f" ({outgoing.image.label})" if outgoing.image.label is not None else ""
    packets = f"{len(outgoing.frames)} packet{'s' if len(outgoing.frames) > 1 else ''}"
    airtime_ms = 1000 * sum(frame.airtime_s for frame in outgoing.frames)
    work_ms = sum(outgoing.ms.values())
    return (
        f"image {outgoing.number}{label}: {outgoing.bitstream_bytes} bytes in {packets}, "
        f"{airtime_ms:.1f} ms of airtime, {work_ms:.2f} ms of work"
    )


def json_line(outgoing: Outgoing) -> str:
    """One image: what was sent under which counter, and the pixels as the node saw them."""
    pixels = outgoing.image.pixels
    return json.dumps(
        {
            "image": outgoing.number,
            "counter": outgoing.first_counter,
            "bitstream_bytes": outgoing.bitstream_bytes,
            "packets": len(outgoing.frames),
            "wire_bytes": sum(frame.wire_bytes for frame in outgoing.frames),
            "airtime_s": sum(frame.airtime_s for frame in outgoing.frames),
            "label": outgoing.image.label,
            "pixels": base64.b64encode(pixels.tobytes()).decode("ascii"),
            "shape": list(pixels.shape),
            "ms": {part: round(ms, 4) for part, ms in outgoing.ms.items()},
        }
    )


def json_end_line(n_images: int) -> str:
    return json.dumps({"done": True, "images": n_images})
