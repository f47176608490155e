"""The other link, whole: our bodies inside LoRaWAN's frames."""
