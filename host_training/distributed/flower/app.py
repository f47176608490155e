"""Flower: the two apps that it starts; the only file that imports it.

The ClientApp runs at a gateway, in a new process for each message, and only relays. The ServerApp
runs beside the SuperLink, as long as the run lasts. Both are named in a bundle that
federation.py writes; neither loads PyTorch.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp

from host_training.distributed.flower.relay import relay
from host_training.distributed.flower.wire import MARGIN_S, RELAY_S, Errand, Reply

DOWN, UP = "down", "up"
client_app = ClientApp()
server_app = ServerApp()


@client_app.train()
def _relay(received: Message, context: Context) -> Message:
    down = received.content[DOWN]
    messages = {
        device: down["messages"][which]
        for device, which in zip(down["devices"], down["which"], strict=True)
    }
    answers = relay(messages, str(context.node_config["sockets"]), down["deadline_s"])
    up = ConfigRecord({"devices": [*answers], "answers": [*answers.values()]})
    return Message(RecordDict({UP: up}), reply_to=received)


@server_app.main()
def _serve(grid: Grid, context: Context) -> None:
    # a gateway's process loads this file too, for each message, and does without
    from host_training.distributed.flower.serve import serve

    serve(Path(str(context.run_config["folder"])), lambda nodes: FlowerWire(grid, nodes))


class FlowerWire:
    """Errands over Flower's grid; `nodes`: the SuperNode of each gateway, as Flower numbers it."""

    def __init__(self, grid: Grid, nodes: Mapping[int, int]) -> None:
        self._grid, self._nodes = grid, nodes

    def push(self, errand: Errand) -> str | None:
        different = [*dict.fromkeys(errand.messages.values())]
        down = ConfigRecord(
            {
                "devices": [*errand.messages],
                "which": [different.index(each) for each in errand.messages.values()],
                "messages": different,
                "deadline_s": RELAY_S,
            }
        )
        message = Message(
            RecordDict({DOWN: down}),
            self._nodes[errand.gateway],
            "train",
            ttl=RELAY_S + MARGIN_S,
        )
        [name] = self._grid.push_messages([message])
        return name or None

    def pull(self, names: Sequence[str]) -> list[Reply]:
        if not names:
            return []
        return [
            Reply(message.metadata.reply_to_message_id, _answers(message))
            for message in self._grid.pull_messages(names)
        ]


def _answers(message: Message) -> dict[int, bytes] | None:
    """By device; None where the gateway failed, or answers in another form than ours."""
    if message.has_error():
        return None
    try:
        up = message.content[UP]
        answers = dict(zip(up["devices"], up["answers"], strict=True))
    except (KeyError, TypeError, ValueError):
        return None
    is_ours = all(type(each) is int and type(said) is bytes for each, said in answers.items())
    return answers if is_ours else None
