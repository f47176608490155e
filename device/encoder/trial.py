"""Trial: a bundle that was just installed is on probation until it has shown that it works here;
the one before it stays.

    bundle             the installed bundle, a link to bundles/ID
    bundle.previous    the one before it; without it nothing is on trial, since there is nothing to
                       go back to
    bundle.json        in the node's state: how the installed one does

       installed ──▶ BEGUN ──▶ PASSED     canary right, PROBATION_IMAGES encoded and queued
                       └─────▶ FAILED     anything else, a power cut included: the previous one runs

BEGUN is on the disk before the new bundle is touched. A start that finds it was preceded by one
that died with the new bundle, and goes back. So does a start that cannot use the installed bundle,
whenever it was damaged. A node that is told to end, at whatever moment, leaves NEW: the trial
begins anew.

`python -m device.encoder.trial node.toml` says which bundle is in use and how it does.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Any

from device.capture.source import SourceError
from device.config import ConfigError, NodeConfig, load_config
from device.encoder.edgetpu import is_wanted
from device.encoder.loading import Loaded, load
from device.encoder.model import EncoderError
from device.fog.loading import LoadedParts, load_parts
from link.base import durable
from link.bundle import BundleError
from link.carriers import PortError
from link.output import program, readable_output

STATE_FILE = "bundle.json"
STATE_FORMAT = 1
STATE = "stage"
"Key of the state in that file, as every version writes it."
PROBATION_IMAGES = 3


class TrialState(StrEnum):
    """How far a new bundle has come."""

    NEW = "new"
    BEGUN = "begun"
    PASSED = "passed"
    FAILED = "failed"


def _place(bundle: Path) -> Path:
    """Where a link to a bundle leads; that it leads nowhere shows when the bundle is read."""
    return Path(os.path.realpath(bundle))


class Installed:
    """The two bundles of one node, by name, and what is written about the installed one.

    A context, entered before `choose`: it tells a trial that was ended from outside from one that
    the bundle failed.
    """

    def __init__(self, config: NodeConfig) -> None:
        self._config = config
        self._installed = config.bundle
        previous = config.bundle.with_name(config.bundle.name + ".previous")
        has_other = os.path.exists(previous) and _place(previous) != _place(config.bundle)
        self._previous = previous if has_other else None
        self._file = config.state_dir / STATE_FILE
        self.name = _place(config.bundle).name
        "The name of the installed bundle."
        self.state, self.why = self._read()
        self._has_died = self.state == TrialState.BEGUN
        "Whether an earlier start died with the installed bundle."

    def __enter__(self) -> "Installed":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """A person ended the node, or port or camera are not there: none of that is the bundle's
        fault.
        """
        if kind is None or issubclass(kind, PortError | SourceError | KeyboardInterrupt):
            self.excuse()

    def excuse(self) -> None:
        """If the node ends now that is not the bundle's fault: its trial begins anew."""
        if self._has_died or self.state == TrialState.FAILED:
            return
        if (
            self._read()[0] == TrialState.BEGUN
        ):  # of the disk: a signal may have come between two lines
            self._write(TrialState.NEW)

    def go_on(self) -> None:
        """What excused the bundle is over, and its trial goes on."""
        if self.state == TrialState.NEW:
            self._write(TrialState.BEGUN)

    @property
    def in_use(self) -> str:
        """The name of the bundle that the node runs."""
        is_back = self.state == TrialState.FAILED and self._previous is not None
        return _place(self._previous).name if is_back and self._previous else self.name

    def choose(self, say: Callable[[str], None]) -> tuple[Loaded | LoadedParts, "Trial | None"]:
        """The bundle to run from now on; BundleError or EncoderError when there is none."""
        if self._previous is None:
            return self._load(self._installed), None
        if self.state == TrialState.BEGUN:
            self._write(TrialState.FAILED, "the node stopped while it was on trial")
        if self.state == TrialState.FAILED:
            return self._go_back(say), None
        is_on_trial = self.state == TrialState.NEW
        try:
            if is_on_trial:
                self._write(TrialState.BEGUN)
            loaded = self._load(self._installed)
        except (BundleError, EncoderError, OSError) as error:
            with suppress(OSError):  # a full card: it is found out anew at the next start
                self._write(TrialState.FAILED, str(error))
            self.state = TrialState.FAILED
            self.why = str(error)
            return self._go_back(say), None
        return loaded, Trial(self, loaded, say) if is_on_trial else None

    def passed(self) -> None:
        self._write(TrialState.PASSED)

    def _go_back(self, say: Callable[[str], None]) -> Loaded | LoadedParts:
        assert self._previous is not None
        say(
            f"bundle {self.name} failed ({self.why}); {_place(self._previous).name}, the one "
            "before it, goes on"
        )
        try:
            return self._load(self._previous)
        except (BundleError, EncoderError) as error:
            raise BundleError(
                f"neither bundle can be used. {self.name}: {self.why}. The one before: {error}"
            ) from None

    def _load(self, path: Path) -> Loaded | LoadedParts:
        config = self._config
        if config.team is not None:
            return load_parts(path, config.bundle_signer, config.team)
        return load(path, config.bundle_signer, is_wanted(config.edgetpu))

    def _read(self) -> tuple[TrialState, str]:
        """What is written; NEW when that is about another bundle, or cannot be read."""
        with suppress(OSError, ValueError, KeyError):
            told = durable.read_state(self._file, STATE_FORMAT)
            if told["bundle"] == self.name:
                return TrialState(told[STATE]), str(told["why"])
        return TrialState.NEW, ""

    def _write(self, state: TrialState, why: str = "") -> None:
        told: dict[str, Any] = {
            "format": STATE_FORMAT,
            "bundle": self.name,
            STATE: state.value,
            "why": why,
        }
        self._file.parent.mkdir(parents=True, exist_ok=True)
        durable.write_state(self._file, told)
        self.state = state
        self.why = why


class Trial:
    """The probation of the bundle that runs, over when enough images are in the outbox."""

    def __init__(
        self, installed: Installed, loaded: Loaded | LoadedParts, say: Callable[[str], None]
    ) -> None:
        self._installed = installed
        self._say = say
        self._n_left = PROBATION_IMAGES
        self._canary = str(loaded.canary) if loaded.canary else "it brought no canary"
        say(f"bundle {installed.name} is on trial: {self._canary}")

    @property
    def is_over(self) -> bool:
        return self._n_left <= 0

    def excuse(self) -> None:
        """The node waits for camera or port: ended now, it is not the bundle's fault."""
        if not self.is_over and self._installed.state == TrialState.BEGUN:
            self._installed.excuse()

    def image_queued(self) -> None:
        if not self.is_over:
            self._installed.go_on()
        self._n_left -= 1
        if self._n_left == 0:
            self._installed.passed()
            self._say(
                f"bundle {self._installed.name} has passed: {PROBATION_IMAGES} images encoded"
            )


def main(argv: list[str] | None = None) -> None:
    readable_output()
    parser = program.Parser(
        prog="python -m device.encoder.trial",
        description="Which bundle is in use, and how it does.",
    )
    parser.add_argument("settings", type=Path, metavar="node.toml")
    try:
        installed = Installed(load_config(parser.parse_args(argv).settings))
    except ConfigError as error:
        raise SystemExit(f"trial: {error}") from None
    print(installed.in_use, installed.state.value, installed.why)


if __name__ == "__main__":
    main()
