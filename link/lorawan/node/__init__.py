"""The node's end of LoRaWAN."""

from link.lorawan.node.carrier import MacSettings, Rn2483Mac
from link.lorawan.node.sender import LoRaWanOptions, LoRaWanSender

__all__ = ["LoRaWanOptions", "LoRaWanSender", "MacSettings", "Rn2483Mac"]
