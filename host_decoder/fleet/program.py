"""A worker as `latentlink host` runs it: JSON lines with the site of each, sentences apart."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from host_decoder.config import HostConfig
from host_decoder.events import Answer, Explainer, Notice
from host_decoder.fleet.service import Service
from host_decoder.fleet.worker import Worker
from link.host import Rejected
from link.output import Notifier

WORKED_PERIOD_S = 1.0
MAX_NOTICES = 64


def work(
    configs: Sequence[HostConfig],
    should_stop: Callable[[], bool],
    print_json: Callable[[dict[str, Any]], None],
    say: Callable[[str], None],
    notifier: Notifier | None = None,
    committed: Callable[[float], None] | None = None,
) -> None:
    """Until that says so. HostError for what waiting does not mend. `committed`: told how long each
    transaction took.
    """
    notifier = notifier or Notifier({})
    worker, explainer = Worker(configs, committed), Explainer()
    for config in configs:
        for warning in config.warnings:
            say(warning)
    notifier.ready()
    heard: deque[Notice] = deque(maxlen=MAX_NOTICES)
    service = Service(configs, worker.owner, heard.append)
    worked_s = float("-inf")
    for said in worker.run(should_stop):
        if time.monotonic() >= worked_s + WORKED_PERIOD_S:
            worked_s = time.monotonic()
            notifier.worked()
            service.lead(worker.is_leader)
        while heard:
            notice = heard.popleft()
            notifier.status(notice.sentence)
            say(notice.sentence)
        if said is None:
            continue
        site, event = said
        if isinstance(event, Answer):
            print_json({**event.to_json(), "site": site})
        elif isinstance(event, Rejected):
            if sentence := explainer.explain(event, time.monotonic()):
                say(f"{site}: {sentence}")
        elif isinstance(event, Notice):
            sentence = f"{site}: {event.sentence}" if site else event.sentence
            notifier.status(sentence)
            say(sentence)
    notifier.stopping()
    service.close()
