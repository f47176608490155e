"""The host's end of LoRaWAN."""

from link.lorawan.host.carrier import LoRaWan, NetworkSettings
from link.lorawan.host.receiver import LoRaWanReceiver
