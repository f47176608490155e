import hashlib
import http.server
import tarfile
import threading
from pathlib import Path

import pytest

from host_training import cifar
from host_training.dataset import DataSetError
from host_training.download import download
from tests.host_training.test_dataset import write_official_cifar10

CONTENT = bytes(range(256)) * 4000


class Server(http.server.ThreadingHTTPServer):
    """Serves one body at any path; honours ranges; may cut the first answer short."""

    def __init__(self, body: bytes, cut_first_at: int | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.body, self.cut_at = body, cut_first_at
        self.ranges: list[str | None] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.ranges.append(asked)
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        if start >= len(self.server.body):
            self.send_error(416)
            return
        rest = self.server.body[start:]
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        self.wfile.write(rest[: self.server.cut_at])
        self.server.cut_at = None

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def serve():
    servers = []

    def start(body: bytes, **options) -> Server:
        servers.append(Server(body, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def test_a_file_arrives_whole(serve, tmp_path):
    path = download(f"{serve(CONTENT).url}/set.tar.gz", tmp_path / "new" / "set.tar.gz", sha256(CONTENT))
    assert path.read_bytes() == CONTENT


def test_an_interrupted_download_is_continued_not_begun_anew(serve, tmp_path):
    server = serve(CONTENT, cut_first_at=300_000)
    target = tmp_path / "set.tar.gz"
    with pytest.raises(DataSetError, match="What arrived is kept: run the command again"):
        download(f"{server.url}/set.tar.gz", target, sha256(CONTENT))
    assert not target.exists()
    assert download(f"{server.url}/set.tar.gz", target, sha256(CONTENT)).read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=300000-"]


def test_a_part_that_was_already_whole_is_used(serve, tmp_path):
    (tmp_path / "set.tar.gz.part").write_bytes(CONTENT)
    assert download(f"{serve(CONTENT).url}/x", tmp_path / "set.tar.gz", sha256(CONTENT)).read_bytes() == CONTENT


def test_a_whole_file_that_is_already_there_needs_no_network(tmp_path):
    (tmp_path / "set.tar.gz").write_bytes(CONTENT)
    assert download("http://127.0.0.1:9/x", tmp_path / "set.tar.gz", sha256(CONTENT)).read_bytes() == CONTENT


def test_a_file_with_another_checksum_is_thrown_away(serve, tmp_path):
    with pytest.raises(DataSetError, match="not the file we know"):
        download(f"{serve(b'something else').url}/x", tmp_path / "set.tar.gz", sha256(CONTENT))
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataSetError, match=r"set\.tar\.gz could not be downloaded.*DATA_DIR"):
        download("http://127.0.0.1:9/set.tar.gz", tmp_path / "set.tar.gz", "00")


def test_cifar_is_fetched_unpacked_and_loaded(serve, tmp_path, monkeypatch):
    write_official_cifar10(tmp_path / "home" / "cifar-10-batches-py")
    archive = tmp_path / "cifar.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(tmp_path / "home" / "cifar-10-batches-py", "cifar-10-batches-py")
    source = cifar.SOURCES["cifar10"]
    known = type(source)(**{**vars(source), "sha256": sha256(archive.read_bytes())})
    monkeypatch.setitem(cifar.SOURCES, "cifar10", known)
    monkeypatch.setenv("LATENTLINK_CIFAR_HOME", serve(archive.read_bytes()).url)
    data = cifar.load("cifar10", tmp_path / "data")
    assert len(data.test) == 40
    assert [path.name for path in Path(tmp_path / "data").iterdir()] == ["cifar-10-batches-py"]
