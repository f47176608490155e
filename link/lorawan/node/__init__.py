"""The node's end of LoRaWAN."""

from link.lorawan.node.carrier import MacSettings, Rn2483Mac
from link.lorawan.node.sender import LoRaWanSender
