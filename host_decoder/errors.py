"""Errors that are for the person: a sentence that says what is wrong and what to do next."""


class HostError(Exception):
    """The command ends with this sentence and exit code 1; any other error is a fault of this
    program.
    """


class ConfigError(HostError):
    """host.toml cannot be used; the message names the entry and says what to do."""
