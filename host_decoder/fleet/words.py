"""Words: what pages, workers and the leader of a fleet leave for each other in the store.

@order/{site}/{node}/{word}     a person asks it of a node; whose worker it is tells it
@duty/{site}/{gateway}          JSON {"used_s", "limit_s"}: of a gateway's airtime
@rules/{site}                   JSON: titles of its [[alert]]
{site}/{file}                   what the leader keeps, for the next one and for pages
"""

import json
from typing import Any

from host_decoder.receive.orders import ORDERS

ORDER, DUTY, RULES = "@order/", "@duty/", "@rules/"
"No site begins so."


def order_name(site: str, node: int, word: str) -> str:
    return f"{ORDER}{site}/{node}/{word}"


def read_order(name: str) -> tuple[str, int, str]:
    """Site, node and word, as order_name wrote them."""
    _, site, node, word = name.split("/")
    assert word in ORDERS
    return site, int(node), word


def duty_name(site: str, gateway: str) -> str:
    return f"{DUTY}{site}/{gateway}"


def read_duty(status: bytes) -> str | None:
    """What pages are told of a gateway's status; None: its airtime is not limited, or it says what
    no gateway of ours does.
    """
    try:
        said: Any = json.loads(status)
        used_s, limit_s = float(said["used_s"]), float(said["limit_s"])
    except (ValueError, TypeError, KeyError):
        return None
    return json.dumps({"used_s": used_s, "limit_s": limit_s}) if limit_s > 0 else None
