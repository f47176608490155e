import hashlib
import http.server
import tarfile
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from host_training.data import cifar
from host_training.data import download as downloads
from host_training.data.dataset import DataSetError
from host_training.data.download import download
from tests.worlds.small_data import write_official_cifar10

CONTENT = bytes(range(256)) * 4000


class Server(http.server.ThreadingHTTPServer):
    """Serves one body at any path and honours ranges; each of `faults` spoils one answer, in their
    order.
    """

    def __init__(self, body: bytes, *faults: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.body = body
        self.faults = list(faults)
        self.ranges: list[str | None] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server
    is_dripping = False
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.close_connection = True
        asked = self.headers.get("Range")
        self.server.ranges.append(asked)
        fault = self.server.faults.pop(0) if self.server.faults else ""
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        if fault.isdigit() or start >= len(self.server.body):
            self.send_error(int(fault or 416))
        elif fault == "nonsense":
            self.wfile.write(b"220 ftp.example ready\r\n")
        elif fault == "page":
            self._answer(200, b"<html>please log in</html>", {"Content-Type": "text/html"})
        elif fault == "chunked":
            self._answer(
                200,
                b"10000\r\n" + self.server.body[:65536] + b"\r\nffff\r\n",
                {"Transfer-Encoding": "chunked"},
            )
        else:
            self.is_dripping = fault == "drip"
            self._answer_rest(start, is_range=bool(asked), is_cut=fault == "cut")

    def _answer_rest(self, start: int, is_range: bool, is_cut: bool) -> None:
        rest = self.server.body[start:]
        headers = {"Content-Length": str(len(rest))}
        if is_range:
            headers["Content-Range"] = (
                f"bytes {start}-{len(self.server.body) - 1}/{len(self.server.body)}"
            )
        self._answer(206 if is_range else 200, rest[:300_000] if is_cut else rest, headers)

    def _answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if not self.is_dripping:
            self.wfile.write(content)
            return
        with suppress(OSError):
            for byte in content:
                self.wfile.write(bytes([byte]))
                time.sleep(0.02)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def serve():
    servers = []

    def start(body: bytes, *faults: str) -> Server:
        servers.append(Server(body, *faults))
        return servers[-1]

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def test_a_file_arrives_whole(serve, tmp_path):
    path = download(
        f"{serve(CONTENT).url}/set.tar.gz", tmp_path / "new" / "set.tar.gz", sha256(CONTENT)
    )
    assert path.read_bytes() == CONTENT


@pytest.fixture
def pauses_s():
    """Each pause that was made, none of them waited for."""
    return []


def test_a_download_that_breaks_off_is_continued_not_begun_anew(serve, tmp_path, pauses_s):
    server = serve(CONTENT, "cut", "cut")
    path = download(
        f"{server.url}/set.tar.gz", tmp_path / "set.tar.gz", sha256(CONTENT), pauses_s.append
    )
    assert path.read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=300000-", "bytes=600000-"]
    assert pauses_s == [1, 1], "whatever arrives makes patient again"


@pytest.mark.parametrize("fault", ["503", "429", "nonsense", "chunked"])
def test_a_fault_that_passes_is_waited_for_with_growing_pauses(serve, tmp_path, pauses_s, fault):
    server = serve(CONTENT, fault, fault)
    path = download(
        f"{server.url}/set.tar.gz", tmp_path / "set.tar.gz", sha256(CONTENT), pauses_s.append
    )
    assert path.read_bytes() == CONTENT
    assert pauses_s == [1, 2]


def test_a_server_that_drips_is_given_up(serve, tmp_path, pauses_s, monkeypatch):
    monkeypatch.setattr(downloads, "TIMEOUT_S", 0.2)
    server = serve(CONTENT, "drip", "drip")
    path = download(
        f"{server.url}/set.tar.gz", tmp_path / "set.tar.gz", sha256(CONTENT), pauses_s.append
    )
    assert path.read_bytes() == CONTENT
    assert pauses_s == [1, 2]


@pytest.mark.parametrize(
    ("fault", "n_tries", "sentence"),
    [
        ("503", 3, "HTTP Error 503"),
        ("403", 1, "HTTP Error 403"),
        ("404", 1, "HTTP Error 404"),
        ("nonsense", 3, r"speaks no HTTP \(BadStatusLine\)"),
        ("page", 1, "a web page, perhaps this network's own"),
    ],
)
def test_a_fault_that_stays_is_a_sentence_that_keeps_what_arrived(
    serve, tmp_path, pauses_s, fault, n_tries, sentence
):
    server = serve(CONTENT, *["cut"], *[fault] * 10)
    with pytest.raises(
        DataSetError,
        match=rf"{sentence}.*What arrived is kept.*put set\.tar\.gz, or what is in it, into",
    ):
        download(f"{server.url}/x", tmp_path / "set.tar.gz", sha256(CONTENT), pauses_s.append)
    assert len(server.ranges) == 1 + n_tries
    assert (tmp_path / "set.tar.gz.part").read_bytes() == CONTENT[:300_000]


def test_a_part_of_another_file_is_begun_anew(serve, tmp_path, pauses_s):
    (tmp_path / "set.tar.gz.part").write_bytes(b"something else")
    path = download(
        f"{serve(CONTENT).url}/x", tmp_path / "set.tar.gz", sha256(CONTENT), pauses_s.append
    )
    assert path.read_bytes() == CONTENT


def test_what_is_no_address_is_named(tmp_path):
    with pytest.raises(
        DataSetError, match="could not be downloaded from nowhere/x: unknown url type"
    ):
        download("nowhere/x", tmp_path / "set.tar.gz", "00")


def test_somebody_s_own_file_of_that_name_is_left_alone(serve, tmp_path):
    (tmp_path / "set.tar.gz").write_bytes(b"mine")
    with pytest.raises(
        DataSetError, match=r"set\.tar\.gz is not the file we know, or not all of it: move it away"
    ):
        download(f"{serve(CONTENT).url}/x", tmp_path / "set.tar.gz", sha256(CONTENT))
    assert (tmp_path / "set.tar.gz").read_bytes() == b"mine"


def test_a_part_that_was_already_whole_is_used(serve, tmp_path):
    (tmp_path / "set.tar.gz.part").write_bytes(CONTENT)
    assert (
        download(f"{serve(CONTENT).url}/x", tmp_path / "set.tar.gz", sha256(CONTENT)).read_bytes()
        == CONTENT
    )


def test_a_whole_file_that_is_already_there_needs_no_network(tmp_path):
    (tmp_path / "set.tar.gz").write_bytes(CONTENT)
    assert (
        download("http://127.0.0.1:9/x", tmp_path / "set.tar.gz", sha256(CONTENT)).read_bytes()
        == CONTENT
    )


def test_a_file_with_another_checksum_is_thrown_away(serve, tmp_path):
    with pytest.raises(DataSetError, match="not the file we know"):
        download(f"{serve(b'something else').url}/x", tmp_path / "set.tar.gz", sha256(CONTENT))
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_not_there_is_named(tmp_path, pauses_s):
    with pytest.raises(DataSetError, match=r"set\.tar\.gz could not be downloaded.*DATA_DIR"):
        download("http://127.0.0.1:9/set.tar.gz", tmp_path / "set.tar.gz", "00", pauses_s.append)
    assert pauses_s == [1, 2, 4]


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """A small CIFAR-10 as the official server has it, and known by its checksum."""
    write_official_cifar10(tmp_path / "home" / "cifar-10-batches-py")
    archive = tmp_path / "cifar.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(tmp_path / "home" / "cifar-10-batches-py", "cifar-10-batches-py")
    monkeypatch.setitem(
        cifar.SOURCES,
        "cifar10",
        replace(cifar.SOURCES["cifar10"], sha256=sha256(archive.read_bytes())),
    )
    return archive


def test_cifar_is_fetched_unpacked_and_loaded(serve, tmp_path, monkeypatch, archive):
    monkeypatch.setenv("LATENTLINK_CIFAR_HOME", serve(archive.read_bytes()).url)
    data = cifar.load("cifar10", tmp_path / "data")
    assert len(data.test) == 40
    assert [path.name for path in Path(tmp_path / "data").iterdir()] == ["cifar-10-batches-py"]


def test_an_archive_that_somebody_put_there_is_unpacked_and_kept(tmp_path, archive):
    own = tmp_path / "data" / cifar.SOURCES["cifar10"].archive
    own.parent.mkdir()
    own.write_bytes(archive.read_bytes())
    assert len(cifar.load("cifar10", tmp_path / "data").test) == 40
    assert own.read_bytes() == archive.read_bytes()
