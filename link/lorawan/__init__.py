"""The other link, whole: our bodies inside LoRaWAN's frames."""

from link.lorawan.network_server import SERVERS
