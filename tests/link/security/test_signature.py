"""Signatures: RFC 8032's own vector, and everything that a node must not take for a signed
bundle.
"""

import json
import os
import stat

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from link.bundle.bundle import Bundle
from link.bundle.image_spec import ImageSpec
from link.bundle.manifest import ENCODER, MANIFEST, TABLES
from link.coder.tables import Tables
from link.security.signature import (
    SIGNATURE,
    SignatureError,
    check,
    make_key,
    read_key,
    sign,
    signer_text,
)
from tests.worlds.small_bundle import small_manifest


@pytest.fixture
def key(tmp_path):
    return make_key(tmp_path / "bundle-signing.key")


@pytest.fixture
def signer(tmp_path, key):
    (tmp_path / "bundle-signing.pub").write_text(signer_text(key))
    return tmp_path / "bundle-signing.pub"


@pytest.fixture
def bundle(tmp_path, key):
    """A bundle as a node has it, signed."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / ENCODER).write_bytes(b"model")
    (folder / "decoder.onnx").write_bytes(b"the host's")
    Tables.from_counts([0], np.ones((1, 2))).to_npz(folder / TABLES)
    made = Bundle.write(folder, small_manifest(ImageSpec(2, 2, 1), 1, ["no"]))
    (folder / "decoder.onnx").unlink()
    write_signature(made, key)
    return made


def write_signature(bundle, key, bundle_id=None):
    files = {
        path.name: path.read_bytes() for path in bundle.path.iterdir() if path.name != SIGNATURE
    }
    (bundle.path / SIGNATURE).write_bytes(sign(bundle_id or bundle.id, files, key))


def refusal(bundle, signer):
    with pytest.raises(SignatureError) as refused:
        check(bundle, signer)
    return str(refused.value)


def test_the_public_half_is_that_of_rfc_8032():
    secret = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(secret))
    assert signer_text(key) == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a\n"


def test_a_signed_bundle_is_taken(bundle, signer):
    check(bundle, signer)


def test_a_key_is_made_once_and_only_its_owner_reads_it(tmp_path, key):
    path = tmp_path / "bundle-signing.key"
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert signer_text(make_key(path)) == signer_text(read_key(path)) == signer_text(key)


def test_an_empty_file_which_a_full_disk_leaves_is_no_key_and_half_a_key_is_not_replaced(tmp_path):
    path = tmp_path / "bundle-signing.key"
    path.touch()
    with pytest.raises(
        SignatureError, match="holds no key: 64 hex digits are expected; put a copy of it back"
    ):
        read_key(path)
    key = make_key(path)
    assert signer_text(read_key(path)) == signer_text(key)
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text(path.read_text()[:32])
    with pytest.raises(SignatureError, match="holds no key"):
        make_key(path)


def test_an_unsigned_bundle_is_refused(bundle, signer):
    (bundle.path / SIGNATURE).unlink()
    assert (
        "is not signed, and this node takes only signed ones; 'make deploy-model' signs it"
        in refusal(bundle, signer)
    )


def test_another_hosts_signature_is_refused(bundle, signer):
    write_signature(bundle, Ed25519PrivateKey.generate())
    assert "is not signed with this node's key" in refusal(bundle, signer)


def test_the_signature_of_another_bundle_is_refused(bundle, signer, key):
    write_signature(bundle, key, bundle_id=bytes(8))
    assert "is for bundle 0000000000000000" in refusal(bundle, signer)


@pytest.mark.parametrize("name", [MANIFEST, ENCODER, TABLES])
def test_a_changed_file_is_refused_by_its_name(bundle, signer, name):
    with (bundle.path / name).open("ab") as file:
        file.write(b" ")
    assert f"{name} of bundle {bundle.path} is not what was signed" in refusal(bundle, signer)


def test_a_missing_and_a_further_file_are_refused(bundle, signer):
    (bundle.path / "encoder_edgetpu.tflite").write_bytes(b"whose?")
    assert "encoder_edgetpu.tflite" in refusal(bundle, signer)
    (bundle.path / "encoder_edgetpu.tflite").unlink()
    (bundle.path / TABLES).unlink()
    assert TABLES in refusal(bundle, signer)


def test_a_signature_that_leaves_the_encoder_out_signs_nothing(bundle, signer, key):
    (bundle.path / SIGNATURE).write_bytes(
        sign(bundle.id, {MANIFEST: (bundle.path / MANIFEST).read_bytes()}, key)
    )
    assert "is not what was signed" in refusal(bundle, signer)


def test_no_byte_of_the_signature_file_can_be_changed(bundle, signer):
    """But for white space: what is signed is what it says."""
    whole = (bundle.path / SIGNATURE).read_bytes()
    for place in range(0, len(whole), 7):
        changed = bytes([*whole[:place], whole[place] ^ 1, *whole[place + 1 :]])
        (bundle.path / SIGNATURE).write_bytes(changed)
        try:
            is_same = json.loads(changed) == json.loads(whole)
        except ValueError:
            is_same = False
        if not is_same:
            assert refusal(bundle, signer)


def test_a_node_without_a_readable_key_trusts_nothing(bundle, signer):
    signer.write_text("zz\n")
    assert "holds no key: 64 hex digits are expected" in refusal(bundle, signer)
    signer.unlink()
    assert "cannot be read (No such file or directory), so no bundle can be trusted" in refusal(
        bundle, signer
    )
