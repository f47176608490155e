"""Devices that learn behind a narrow link, as their gateway sees them."""
