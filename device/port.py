"""Port: the carrier that node.toml names, opened again whenever it is away."""

from collections.abc import Callable
from dataclasses import replace

from device.config import NodeConfig
from link.base import Pause
from link.carriers import Carrier, CarrierSettings, PortError, Reopening, open_carrier
from link.medium import LoRaConfig

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0
KEPT = "what is to be sent is kept until then"


def open_port(
    config: NodeConfig,
    say: Callable[[str], None],
    is_patient: bool = True,
    waits_for_first: bool = False,
) -> Reopening:
    """The port to the host, as `reopened`."""
    return reopened(lambda: _open_carrier(config), say, KEPT, is_patient, waits_for_first)


def reopened(
    open_carrier: Callable[[], Carrier],
    say: Callable[[str], None],
    until_then: str,
    is_patient: bool = True,
    waits_for_first: bool = False,
) -> Reopening:
    """A port, or PortError; `waits_for_first`: one that is not there yet is waited for as later
    ones. An impatient one raises PortError whenever it vanishes. `until_then`: what happens while
    it is away.
    """

    def tell(error: PortError | None) -> None:
        if error is None:
            say("the port is back")
        elif is_patient:
            say(f"{error}; {until_then}")
        else:
            raise error

    port = Reopening(open_carrier, tell, Pause(FIRST_PAUSE_S, LONGEST_PAUSE_S))
    try:
        port.open()
    except PortError as error:
        if not waits_for_first:
            raise
        port.lose(error)
    return port


def _open_carrier(config: NodeConfig) -> Carrier:
    link = config.link
    if link.lorawan:
        from link.lorawan.node import MacSettings, Rn2483Mac

        medium = link.profile.medium
        assert isinstance(medium, LoRaConfig)
        return Rn2483Mac(
            MacSettings(
                link.port,
                config.node,
                link.lorawan.app_key,
                link.lorawan.join_eui,
                link.lorawan.dev_eui,
                medium.spreading_factor,
            )
        )
    settings = CarrierSettings(
        link.profile,
        link.port,
        bitrate_bps=link.bitrate_bps,
        frequency_hz=link.frequency_hz,
        peers=link.peers,
    )
    return open_carrier(
        settings if link.power_dbm is None else replace(settings, power_dbm=link.power_dbm)
    )
