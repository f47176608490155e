"""Ports: which port of a Pi the link may have. On its pins that is one, whatever else the kernel
calls it.

The pins' UART has several names: /dev/ttyS0 on a Pi 3, 4 and Zero 2 W as shipped, /dev/serial0 by a
link that on a Pi 5 leads to the debug connector. Flashing frees the good UART, /dev/ttyAMA0, on
every model; on any other name the login console would stay, or Bluetooth.
"""

import posixpath
import re

from device.flash.tools import FlashError
from device.link_config import LinkConfig

NODE_UART = "/dev/ttyAMA0"
EMULATED_UART = "/dev/ttyS0"
"The port of QEMU's virt machine, which starts our image."
UART = re.compile(r"/dev/(ttyS\d+|ttyAMA\d+|serial\d+|serial/by-path/(?!.*usb).*)")


def check_port(link: LinkConfig, is_our_image: bool = False) -> None:
    """Raise FlashError unless a node can have its line there."""
    if link.profile.carrier != "udp":
        check_serial(link.port, "[link]", is_our_image)


def check_serial(named: str, section: str, is_our_image: bool = False) -> None:
    """Raise FlashError unless a Pi has such a port for us."""
    port = posixpath.normpath(named).replace("//", "/")
    allowed = (NODE_UART, EMULATED_UART) if is_our_image else (NODE_UART,)
    if UART.fullmatch(port) and port not in allowed:
        why = (
            "is another connector on a Pi 5"
            if port == "/dev/serial0"
            else "is not the UART that flashing frees"
        )
        raise FlashError(f"{section} port: {named} {why}; write {NODE_UART}")


def console_on(port: str, cmdline: str) -> list[str]:
    """The words of a kernel's command line that put a console on that port."""
    names = ("serial0", "ttyAMA0", "ttyS0") if port == NODE_UART else (posixpath.basename(port),)
    return [
        word
        for word in cmdline.split()
        if re.split(r"[=,]", word)[:2] in [["console", name] for name in names]
    ]
