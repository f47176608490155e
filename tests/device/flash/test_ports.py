"""On a Pi's pins the link has the one UART that flashing frees; elsewhere it has what a person
says.
"""

import pytest

from device.flash.ports import EMULATED_UART, NODE_UART, check_port, console_on
from device.flash.tools import FlashError
from device.link_config import LinkConfig
from link.medium.profiles import get_profile


def link(port: str, profile: str = "serial-9600") -> LinkConfig:
    return LinkConfig(port, get_profile(profile), 9600, 200)


@pytest.mark.parametrize(
    "port",
    [NODE_UART, "/dev//ttyAMA0", "/dev/ttyUSB0", "/dev/serial/by-id/usb-modem", "/dev/ttyACM1"],
)
def test_the_freed_uart_and_whatever_hangs_at_usb_can_be_used(port):
    check_port(link(port))


@pytest.mark.parametrize("port", ["/dev/ttyS0", "/dev/ttyAMA10", "/dev/serial1", "/dev/x/../ttyS0"])
def test_another_name_of_a_uart_is_refused_with_the_one_to_write(port):
    with pytest.raises(FlashError, match=f"is not the UART that flashing frees; write {NODE_UART}"):
        check_port(link(port))


def test_serial0_is_the_debug_connector_of_a_pi_5():
    with pytest.raises(FlashError, match=r"/dev/serial0 is another connector on a Pi 5"):
        check_port(link("/dev/serial0"))


def test_our_image_may_also_have_the_port_of_the_emulated_machine():
    check_port(link(EMULATED_UART), is_our_image=True)
    with pytest.raises(FlashError, match="frees"):
        check_port(link(EMULATED_UART))


def test_udp_needs_no_port():
    check_port(link("/dev/ttyS0", "udp"))


CMDLINE = "console=serial0,115200 console=tty1 root=/dev/x console=ttyAMA0 console=ttyUSB0,9600"


def test_every_name_of_the_freed_uart_is_a_console_on_it():
    assert console_on(NODE_UART, CMDLINE) == ["console=serial0,115200", "console=ttyAMA0"]


def test_on_another_port_only_its_own_name_counts():
    assert console_on("/dev/ttyUSB0", CMDLINE) == ["console=ttyUSB0,9600"]
    assert console_on("/dev/ttyUSB1", CMDLINE) == []
