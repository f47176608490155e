"""What is wrong with host.toml."""

from host_decoder.errors import HostError


class ConfigError(HostError):
    """host.toml cannot be used; the message names the entry and says what to do."""
