"""Certificates as TLS itself judges them."""

import socket
import ssl
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_ssh_private_key, load_ssh_public_key

from host_training.distributed.flower.certificates import make_certificates, make_gateway_key


def shake_hands(folder: Path, authority: Path, host: str) -> str:
    """The protocol that a host with these certificates and a gateway that trusts that authority
    agree on.
    """
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(folder / "server.pem", folder / "server.key")
    client = ssl.create_default_context(cafile=str(authority))
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    ours, theirs = socket.socketpair()

    def answer() -> None:
        with theirs, suppress(OSError):  # the client hangs up
            server.wrap_socket(theirs, server_side=True).close()

    listener = threading.Thread(target=answer)
    listener.start()
    try:
        with ours, client.wrap_socket(ours, server_hostname=host) as connection:
            return connection.version() or ""
    finally:
        listener.join()


def test_a_gateway_that_has_the_authority_talks_to_the_host_under_its_names(tmp_path):
    make_certificates(tmp_path, ["127.0.0.1", "host.example"])
    for name in ("127.0.0.1", "host.example"):
        assert shake_hands(tmp_path, tmp_path / "ca.pem", name) == "TLSv1.3"


def test_another_name_or_another_authority_is_refused(tmp_path):
    make_certificates(tmp_path / "one", ["127.0.0.1"])
    make_certificates(tmp_path / "other", ["127.0.0.1"])
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        shake_hands(tmp_path / "one", tmp_path / "one" / "ca.pem", "host.example")
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(tmp_path / "one", tmp_path / "other" / "ca.pem", "127.0.0.1")


def test_what_is_there_stays_and_secrets_are_their_owners(tmp_path):
    make_certificates(tmp_path, ["127.0.0.1"])
    make_gateway_key(tmp_path / "gateways" / "0.key")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    before = {path: path.read_bytes() for path in files}
    make_certificates(tmp_path, ["elsewhere"])
    make_gateway_key(tmp_path / "gateways" / "0.key")
    assert {path: path.read_bytes() for path in files} == before
    secret = {path.name: path.stat().st_mode & 0o777 for path in files if path.suffix == ".key"}
    assert secret == {"server.key": 0o600, "0.key": 0o600}


def test_a_gateways_public_key_is_its_secret_ones(tmp_path):
    make_gateway_key(tmp_path / "3.key")
    secret = load_ssh_private_key((tmp_path / "3.key").read_bytes(), None)
    public = load_ssh_public_key((tmp_path / "3.pub").read_bytes())
    assert secret.public_key() == public
    assert public.curve.name == "secp384r1"  # type: ignore[union-attr]
