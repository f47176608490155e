"""Turn a checkpoint into a bundle that runs, and prove that it does."""


class ExportError(Exception):
    """The export can not go on; the message says why and what to do."""
