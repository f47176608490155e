"""Certificates: TLS between a run's host and its gateways, and the keys gateways are known by.

An authority of the run alone signs the host's certificate: gateways are given `ca.pem` and trust
nothing else. Each gateway has a key of its own (NIST P-384, as Flower wants it); the host is told
the public half, and lets nobody else in. Whatever is there already stays.
"""

import datetime
import ipaddress
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from link.base import durable

AUTHORITY, CERTIFICATE, KEY = "ca.pem", "server.pem", "server.key"
VALID = datetime.timedelta(days=825)
"As long as clients take one."
EARLIER = datetime.timedelta(days=1)
"Clocks of gateways that are behind."


def make_certificates(folder: Path, hosts: Sequence[str]) -> None:
    """`ca.pem`, and `server.pem` with its key for a host of these names or addresses.

    The authority's key is forgotten: another certificate is another authority.
    """
    if (folder / KEY).exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = _builder("latentlink authority", authority_key.public_key(), "latentlink authority")
    authority = authority.add_extension(x509.BasicConstraints(True, 0), critical=True)
    usage = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    signs = x509.KeyUsage(digital_signature=True, key_cert_sign=True, crl_sign=True, **usage)
    identifier = x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key())
    authority = authority.add_extension(signs, critical=True).add_extension(identifier, False)
    server = _builder("latentlink host", key.public_key(), "latentlink authority")
    names = x509.SubjectAlternativeName([_name(host) for host in hosts])
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    server = server.add_extension(x509.BasicConstraints(False, None), critical=True)
    server = server.add_extension(names, False).add_extension(issuer, False)
    for name, builder in ((AUTHORITY, authority), (CERTIFICATE, server)):
        signed = builder.sign(authority_key, hashes.SHA256())
        durable.write(folder / name, signed.public_bytes(form.Encoding.PEM).decode())
    _write_key(folder / KEY, key, form.PrivateFormat.PKCS8)  # last: what is there is whole


def make_gateway_key(path: Path) -> None:
    """A gateway's secret key in that file, and beside it, as .pub, what the host is told."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        key = ec.generate_private_key(ec.SECP384R1())
        public = key.public_key().public_bytes(form.Encoding.OpenSSH, form.PublicFormat.OpenSSH)
        durable.write(path.with_suffix(".pub"), public.decode() + "\n")
        _write_key(path, key, form.PrivateFormat.OpenSSH)


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey, private: form.PrivateFormat) -> None:
    content = key.private_bytes(form.Encoding.PEM, private, form.NoEncryption())
    durable.write(path, content.decode(), mode=0o600)


def _builder(subject: str, key: ec.EllipticCurvePublicKey, issuer: str) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    names = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, one)]) for one in (subject, issuer))
    return x509.CertificateBuilder(
        subject_name=next(names),
        issuer_name=next(names),
        public_key=key,
        serial_number=x509.random_serial_number(),
        not_valid_before=now - EARLIER,
        not_valid_after=now - EARLIER + VALID,
    )


def _name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
