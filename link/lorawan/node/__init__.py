"""The node's end of LoRaWAN."""
