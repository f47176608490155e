"""The page's own process, told what a host tells it."""

import http.client
import json
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.test_boundaries import ROOT

PATIENCE_S = 30.0


class PageProcess:
    """`python -m host_decoder.web` at a port of its own, before that store."""

    def __init__(
        self,
        store: Path | str,
        bundles: Sequence[Path],
        folder: Path,
        nodes: Sequence[dict[str, Any]] = (),
    ) -> None:
        listening = socket.create_server(("127.0.0.1", 0))
        self.port = listening.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        web = {"address": "127.0.0.1", "port": self.port, "names": [], "behind_proxy": False}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "host_decoder.web"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[listening.fileno()],
            cwd=ROOT,
        )
        told = {
            "web": {**web, "certificate": None, "certificate_key": None},
            "store": str(store),
            "nodes": list(nodes),
            "bundles": [str(path) for path in bundles],
            "door": str(folder / "page.sqlite"),
            "socket": listening.fileno(),
        }
        listening.close()
        self.tell(told)

    def tell(self, *lines: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
        self.process.stdin.flush()

    def get(self, path: str) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        connection.request("GET", path)
        return connection.getresponse()

    def __enter__(self) -> "PageProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
