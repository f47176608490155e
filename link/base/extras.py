"""Extras: libraries that a part of the programs wants and others do not, by the name under which
pip installs them.
"""

from pathlib import Path

NAME = "latentlink"
PROJECT = Path(__file__).parents[2]


def install(extra: str = "") -> str:
    """What to type where a library of that extra is missing, or, without one, of those that
    everything wants; of a checkout, its own folder.
    """
    where = str(PROJECT) if (PROJECT / "pyproject.toml").is_file() else NAME
    return f"pip install '{where}[{extra}]'" if extra else f"pip install '{where}'"


def version() -> str:
    """What is installed; of a checkout, what its pyproject.toml says."""
    try:
        lines = (PROJECT / "pyproject.toml").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        from importlib import metadata  # which loads what reads mail, a megabyte of it

        return metadata.version(NAME)
    return next(line.split('"')[1] for line in lines if line.startswith("version = "))
