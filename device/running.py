"""Running: a node's files are opened, its bundle is chosen, its port opens, and its loop runs."""

from collections.abc import Callable
from contextlib import ExitStack, closing, suppress

from device.capture.gate import Gate
from device.collect.collector import Collector
from device.config import NodeConfig
from device.console import Console
from device.encoder.loading import Loaded
from device.encoder.model import EncoderError
from device.encoder.trial import Installed
from device.ending import Ending
from device.fog.exchange import join
from device.fog.loading import LoadedParts
from device.fog.member import Member
from device.fog.uplink import Uplink
from device.link_end import LinkEnd
from device.node import Node
from device.outbox.queues import open_queues
from device.port import open_port
from device.safe_mode import SafeMode
from device.state_dir import StateDir
from link.album import FOLDER
from link.bundle import BundleError
from link.output import Notifier
from link.security import CounterStore, read_master_key


def run(
    config: NodeConfig,
    console: Console,
    is_patient: bool = True,
    safe_mode: SafeMode | None = None,
    on_proved: Callable[[], None] | None = None,
) -> int:
    """Until the source has ended and the outbox is empty, or Ctrl-C; returns the number of images
    captured.

    An impatient node raises PortError when its port vanishes. `on_proved` is called once, when the
    settings have shown that they work: the host answered, or a packet left where nobody answers. In
    safe mode neither source nor bundle is touched.
    """
    key = read_master_key(config.key_dir)
    notifier = Notifier()
    loaded, trial = None, None
    with CounterStore(config.key_dir, config.node) as counters, ExitStack() as stack:
        stack.enter_context(StateDir(config))
        if safe_mode is None:
            installed = stack.enter_context(Installed(config))
            try:
                loaded, trial = installed.choose(console.notice)
            # one that fails later may do better at a new start; this one will not
            except EncoderError as error:
                raise BundleError(str(error)) from None
            stack.enter_context(Ending(installed.excuse))
        else:
            stack.enter_context(Ending())
            console.notice(safe_mode.notice)
            notifier.status(f"safe mode: {safe_mode.fault}")
        link = None
        notices = [
            loaded.encoder.notice if isinstance(loaded, Loaded) else None,
            counters.notice,
        ]
        if config.link:
            is_member = config.team is not None  # of a team, which goes on without a modem
            waits = notifier.is_heard or is_member
            port = open_port(config, console.notice, is_patient or is_member, waits)
            stack.callback(port.close)
            queues = [
                stack.enter_context(closing(queue))
                for queue in open_queues(config, loaded.bundle.id if loaded else None)
            ]
            link = LinkEnd(config, key, counters, queues, port, console)
            notices += [*(queue.outbox.notice for queue in queues), link.governor.ledger.notice]
        for notice in filter(None, notices):
            console.notice(notice)
        node: Node | Member
        if isinstance(loaded, LoadedParts):
            waits = notifier.is_heard
            exchange = join(config, key, counters, loaded, console.notice, is_patient, waits)
            stack.callback(exchange.close)
            uplink = stack.enter_context(closing(Uplink(link, console.notice))) if link else None
            node = Member(
                config, loaded, exchange, uplink, counters, trial, console, on_proved, is_patient
            )
        else:
            assert link is not None, "only a member of a team may be without"
            collector = _collector(config, loaded, console, notifier)
            if collector is not None:
                stack.enter_context(closing(collector))
            node = Node(config, link, loaded, trial, console, safe_mode, on_proved, collector)
        with suppress(KeyboardInterrupt):
            node.run(notifier)
        notifier.stopping()
        return node.n_images


def _collector(
    config: NodeConfig, loaded: Loaded | None, console: Console, notifier: Notifier
) -> Collector | None:
    """What keeps pictures, where that is wanted; whoever looks at the node is told."""
    if config.collect is None or loaded is None:
        return None
    sentence = f"pictures of what this node sees are kept in {config.state_dir / FOLDER}"
    console.notice(sentence)
    notifier.status(sentence)
    source = config.source
    has_own_gate = config.collect.gate and not source.gate  # else news alone is offered
    gate = Gate(source.gate_threshold, source.heartbeat_s) if has_own_gate else None
    bundle_id = loaded.bundle.id
    return Collector(config.collect, config.state_dir, config.node, bundle_id, gate, console.notice)
