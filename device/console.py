"""What the node tells its console: a line a person reads, or a line of JSON for the program that started it."""

import base64
import json

from device.node import ImageReport


def text_line(report: ImageReport) -> str:
    airtime_ms = 1000 * sum(frame.airtime_s for frame in report.frames)
    label = f" ({report.image.label})" if report.image.label is not None else ""
    packets = f"{len(report.frames)} packet{'s' if len(report.frames) > 1 else ''}"
    return (
        f"image {report.number}{label}: {report.bitstream_bytes} bytes in {packets}, {airtime_ms:.1f} ms of airtime, "
        f"{sum(report.ms.values()):.2f} ms of work"
    )


def json_line(report: ImageReport) -> str:
    """One image: what was sent under which counter, and the pixels as the node saw them."""
    pixels = report.image.pixels
    return json.dumps(
        {
            "image": report.number,
            "counter": report.first_counter,
            "bitstream_bytes": report.bitstream_bytes,
            "packets": len(report.frames),
            "wire_bytes": sum(frame.wire_bytes for frame in report.frames),
            "airtime_s": sum(frame.airtime_s for frame in report.frames),
            "label": report.image.label,
            "pixels": base64.b64encode(pixels.tobytes()).decode("ascii"),
            "shape": list(pixels.shape),
            "ms": {part: round(ms, 4) for part, ms in report.ms.items()},
        }
    )


def json_end_line(n_images: int) -> str:
    return json.dumps({"done": True, "images": n_images})
