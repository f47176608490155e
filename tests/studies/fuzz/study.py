"""Fuzz: feed everything that reads bytes from outside, and write results/link-fuzz.json."""

import argparse

from link.output.results import write_result
from tests.studies.command import command
from tests.studies.fuzz.harness import N_STUDY_INPUTS, Outcome, built, fuzz
from tests.studies.fuzz.targets import TARGETS, n_inputs_of


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser()
    top.add_argument("--inputs", type=int, default=N_STUDY_INPUTS, help="over all targets together")
    top.add_argument("--seed", type=int, default=0)
    top.add_argument("--target", choices=TARGETS, help="only this one")
    return top


def main(options: argparse.Namespace) -> None:
    names = [options.target] if options.target else list(TARGETS)
    outcomes: dict[str, Outcome] = {}
    print(
        f"{'':18}{'inputs':>9}{'accepted':>10}{'slowest ms':>12}{'peak kB':>9}"
        f"{'kept kB':>9}{'s':>7}"
    )
    for name in names:
        with built(TARGETS[name].make) as target:
            n_inputs = options.inputs if options.target else n_inputs_of(name, options.inputs)
            outcomes[name] = outcome = fuzz(name, target, n_inputs, options.seed)
        print(
            f"{name:18}{outcome.n_inputs:9}{outcome.n_accepted:10}{1000 * outcome.slowest_s:12.2f}"
            f"{outcome.peak_bytes / 1000:9.1f}{outcome.kept_bytes / 1000:9.1f}"
            f"{outcome.elapsed_s:7.1f}",
            flush=True,
        )
    if options.target:
        return
    figures = {
        "targets": len(outcomes),
        "inputs": sum(outcome.n_inputs for outcome in outcomes.values()),
        "accepted": sum(outcome.n_accepted for outcome in outcomes.values()),
        "crashes": 0,  # a run that finds one ends there, without figures
        "hangs": 0,
        "slowest_ms": round(1000 * max(outcome.slowest_s for outcome in outcomes.values()), 3),
        "largest_peak_bytes": max(outcome.peak_bytes for outcome in outcomes.values()),
        "largest_kept_bytes": max(outcome.kept_bytes for outcome in outcomes.values()),
    }
    extra = {"inputs_by_target": {name: outcome.n_inputs for name, outcome in outcomes.items()}}
    print(write_result("link-fuzz", figures, command=command(), seeds=[options.seed], extra=extra))
