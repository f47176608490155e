"""The wall of a thousand nodes in a real browser: from a result's leaving the host to its being on
the screen, while two hundred a second come.
"""

import random
import time
from pathlib import Path
from typing import Any

import numpy as np

from host_decoder.events import Answer
from host_decoder.store.receipt import Receipt, ReceivedPacket
from host_decoder.store.store import Store
from host_decoder.web.feed import line_of
from link.bundle.bundle import Bundle
from link.coder import latent_coder
from link.host.interface import NodeState
from link.wire.packet import Chunk
from tests.studies.fleet.viewers import viewers
from tests.worlds.browser_request import browser
from tests.worlds.page_process import PageProcess
from tests.worlds.processor import cpu_s
from tests.worlds.small_bundle import random_symbols

SITE = "farm"
BEAT_S = 0.02
"Between two handfuls of results."
SETTLE_S = 3.0
MB = 1 << 20
WATCH = """
window.painted = [];
document.addEventListener("DOMContentLoaded", () => new MutationObserver((changes) => {
  const came = changes.map(({ target }) => Number(target.dataset.at));
  requestAnimationFrame(() => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => came.forEach((at) => window.painted.push(Date.now() / 1000 - at));
    port2.postMessage(0);
  });
}).observe(document.body, { subtree: true, attributes: true, attributeFilter: ["data-at"] }));
"""
"When what a tile says has been painted: behind the frame in which it changed."


def wall(
    folder: Path,
    bundle: Bundle,
    n_nodes: int,
    results_per_s: float,
    seconds: float,
    seed: int,
    n_viewers: int = 0,
) -> dict[str, float]:
    """Figures of one browser that looks on, among so many others."""
    draw = random.Random(seed)
    with Store(folder / "host.sqlite", site=SITE) as store:
        store.add_all([_receipt(bundle, node) for node in range(1, n_nodes + 1)])
        with PageProcess(store.place, [bundle.path], folder) as page, browser() as chromium:
            page.get("/healthz").read()
            tab = chromium.new_page(viewport={"width": 1400, "height": 900})
            said: list[str] = []
            tab.on("console", lambda line: said.append(line.text))
            tab.on("pageerror", lambda error: said.append(str(error)))
            tab.add_init_script(WATCH)
            begun_s = time.monotonic()
            tab.goto(page.url)
            tab.locator(".tile").nth(n_nodes - 1).wait_for(state="attached")
            load_s = time.monotonic() - begun_s
            time.sleep(SETTLE_S)
            with viewers(page.port, n_viewers) as others:
                tab.evaluate("window.painted.length = 0")
                used_s = cpu_s(page.process.pid)
                n_told = _tell(page, bundle, n_nodes, results_per_s, seconds, draw)
                used_s = cpu_s(page.process.pid) - used_s
                time.sleep(1.0)
                assert others.n_cut == 0, f"{others.n_cut} viewers were cut off"
                assert min(others.n_bytes, default=1) > 0, "some viewers were told nothing"
            waits_ms = 1000 * np.array(tab.evaluate("window.painted"))
            heap = _heap_bytes(tab)
    assert said == [], said
    return {
        "wall_nodes": n_nodes,
        "wall_results_per_s": n_told / seconds,
        "wall_load_s": load_s,
        "wall_viewers": 1 + n_viewers,
        "wall_page_share_of_core": used_s / seconds,
        "wall_painted": len(waits_ms),
        "wall_painted_median_ms": float(np.percentile(waits_ms, 50)),
        "wall_painted_p95_ms": float(np.percentile(waits_ms, 95)),
        "wall_heap_mb": heap / MB,
    }


def _tell(
    page: PageProcess, bundle: Bundle, n_nodes: int, per_s: float, seconds: float, draw: Any
) -> int:
    """As a host does: a line for each answer, as it comes; how many."""
    begun_s, n_told, image = time.monotonic(), 0, 2
    while (now_s := time.monotonic() - begun_s) < seconds:
        lines = []
        while n_told < now_s * per_s:
            image += 1
            told = _answer(bundle, draw.randint(1, n_nodes), image, time.time())
            line = line_of(told, SITE)
            assert line is not None
            lines.append(line)
            n_told += 1
        page.tell(*lines)
        time.sleep(BEAT_S)
    return n_told


def _answer(bundle: Bundle, node: int, image: int, received_s: float) -> Answer:
    probabilities = np.full(len(bundle.classes), 0.01, np.float32)
    probabilities[(node + image) % len(probabilities)] = 1 - 0.01 * (len(probabilities) - 1)
    return Answer(
        node=node,
        image=image,
        counter=image + 1,
        bundle=bundle.id.hex(),
        classes=bundle.classes,
        probabilities=probabilities,
        n_known=bundle.n_latents,
        n_latents=bundle.n_latents,
        n_chunks=1,
        is_complete=True,
        bitstream_bytes=4,
        packet_bytes=19,
        age_s=0.0,
        received_s=received_s,
    )


def _receipt(bundle: Bundle, node: int) -> Receipt:
    bitstream = latent_coder.encode(random_symbols(bundle.tables, node), bundle.tables)
    told = _answer(bundle, node, 1, time.time())
    packet = ReceivedPacket(2, told.bundle, (Chunk(1, 0, True, bitstream, 0.0),), b"", "roof")
    key, state = node.to_bytes(16, "big"), NodeState(b"salt", 2, 1)
    return Receipt(node, key, state, told.received_s, (packet,), (told,))


def _heap_bytes(tab: Any) -> float:
    session = tab.context.new_cdp_session(tab)
    session.send("HeapProfiler.collectGarbage")
    return float(session.send("Runtime.getHeapUsage")["usedSize"])
