"""The host's end of LoRaWAN."""
