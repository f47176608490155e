"""Emulated modems: each behaves at its serial port as the real one does, with neither port nor
clock inside.
"""

from importlib import import_module

from link.emulator.air import Air
from link.emulator.modems.modem import Modem, ModemOptions
from link.medium.profiles import LinkProfile

MODEMS = {
    "serial": ("link.emulator.modems.transparent", "Transparent"),
    "rn2483": ("link.emulator.modems.rn2483", "Rn2483"),
    "rak3172": ("link.emulator.modems.rak3172", "Rak3172"),
    "e22": ("link.emulator.modems.e22", "E22"),
}
"Carrier of a radio profile: where the class of its modem is."


def make_modem(profile: LinkProfile, air: Air, station: int, options: ModemOptions) -> Modem:
    """The modem that a profile's carrier expects at its port; ValueError when there is none."""
    if profile.carrier not in MODEMS:
        raise ValueError(f'carrier "{profile.carrier}" of {profile.name} has no modem to emulate')
    module, name = MODEMS[profile.carrier]
    modem: Modem = getattr(import_module(module), name)(profile, air, station, options)
    return modem
