"""A bundle is used only when it is whole, and refused in a sentence that names the file."""

import hashlib
import json
from dataclasses import replace

import pytest

from link.bundle.bundle import Bundle, BundleError, compute_id
from tests.worlds.small_bundle import make_bundle, random_tables
from tests.worlds.small_team import make_team_bundle, team_tables


@pytest.fixture
def folder(tmp_path):
    return make_bundle(tmp_path / "bundle").path


def change_manifest(folder, change):
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))


def flip_a_bit(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_a_bundle_loads_on_both_sides(folder):
    for side in ("node", "host"):
        bundle = Bundle.load(folder, side)
        assert bundle.image.shape == (8, 8, 1)
        assert bundle.classes == ("zero", "one")
        assert bundle.n_latents == 12
        assert bundle.measured.accuracy == 0.97
        assert bundle.provenance.seed == 1
        assert bundle.tables.n_latents == 12
        assert bundle.tables is bundle.tables
        assert bundle.encoder_path == folder / "encoder.tflite"
        assert bundle.decoder_path == folder / "decoder.onnx"


def test_the_manifest_is_canonical_json(folder):
    text = (folder / "manifest.json").read_text()
    manifest = json.loads(text)
    assert text == json.dumps(manifest, sort_keys=True, indent=1) + "\n"
    assert set(manifest) == {"format", "bundle_id", "node", "host", "provenance", "measured"}
    assert manifest["node"]["files"]["encoder.tflite"] == {
        "bytes": 10,
        "sha256": hashlib.sha256(b"int8 model").hexdigest(),
    }


def test_the_id_is_a_hash_over_format_and_node_half(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    shared = json.dumps(
        {"format": 1, "node": manifest["node"]}, sort_keys=True, separators=(",", ":")
    )
    assert manifest["bundle_id"] == hashlib.sha256(shared.encode()).hexdigest()[:16]
    assert Bundle.load(folder, "host").id.hex() == manifest["bundle_id"]


def test_the_same_files_give_the_same_manifest(tmp_path):
    first, second = make_bundle(tmp_path / "first"), make_bundle(tmp_path / "second")
    assert (first.path / "manifest.json").read_bytes() == (
        second.path / "manifest.json"
    ).read_bytes()


def test_another_decoder_leaves_the_id_and_another_encoder_or_table_does_not(tmp_path):
    bundle = make_bundle(tmp_path / "bundle")
    change_manifest(
        bundle.path,
        lambda manifest: manifest["host"].update(tasks={"label": {"file": "d", "classes": []}}),
    )
    change_manifest(
        bundle.path,
        lambda manifest: manifest["host"]["files"].update(d={"sha256": "0", "bytes": 0}),
    )
    assert Bundle.load(bundle.path, "node").id == bundle.id
    assert make_bundle(tmp_path / "encoder", encoder=b"another model").id != bundle.id
    assert make_bundle(tmp_path / "tables", tables=random_tables(seed=2)).id != bundle.id


def test_a_new_decoder_file_keeps_the_id_when_the_manifest_is_written_again(tmp_path):
    bundle = make_bundle(tmp_path / "bundle")
    (bundle.path / "decoder.onnx").write_bytes(b"a better decoder")
    again = Bundle.write(bundle.path, bundle.manifest)
    assert again.id == bundle.id
    assert again.manifest.host.files != bundle.manifest.host.files
    assert Bundle.load(bundle.path, "host").id == bundle.id


@pytest.mark.parametrize(
    ("side", "name"),
    [
        ("node", "encoder.tflite"),
        ("node", "tables.npz"),
        ("host", "tables.npz"),
        ("host", "decoder.onnx"),
    ],
)
def test_a_missing_or_damaged_file_is_named_with_what_to_do(folder, side, name):
    flip_a_bit(folder / name)
    with pytest.raises(
        BundleError, match=rf"{name} of bundle .* is damaged: SHA-256 is .*export it again or copy"
    ):
        Bundle.load(folder, side)
    (folder / name).write_bytes(b"")
    with pytest.raises(
        BundleError, match=rf"{name} of bundle .* is damaged: it has 0 bytes, the manifest says \d+"
    ):
        Bundle.load(folder, side)
    (folder / name).unlink()
    with pytest.raises(
        BundleError, match=rf"{name} of bundle .* is missing; export it again or copy it anew"
    ):
        Bundle.load(folder, side)


def test_the_hashes_are_both_said(folder):
    flip_a_bit(folder / "encoder.tflite")
    found = hashlib.sha256((folder / "encoder.tflite").read_bytes()).hexdigest()[:16]
    promised = hashlib.sha256(b"int8 model").hexdigest()[:16]
    with pytest.raises(BundleError, match=f"SHA-256 is {found}…, the manifest says {promised}…"):
        Bundle.load(folder, "node")


def test_each_side_needs_only_its_own_files(folder):
    (folder / "decoder.onnx").unlink()
    assert Bundle.load(folder, "node")
    (folder / "decoder.onnx").write_bytes(b"float decoder")
    (folder / "encoder.tflite").unlink()
    assert Bundle.load(folder, "host")


def test_another_format_version_is_refused_with_both_versions(folder):
    change_manifest(folder, lambda manifest: manifest.update(format=2))
    with pytest.raises(BundleError, match="has format 2, this program reads format 1"):
        Bundle.load(folder, "node")


@pytest.mark.parametrize("side", ["node", "host"])
def test_a_changed_node_half_is_noticed(folder, side):
    change_manifest(folder, lambda manifest: manifest["node"]["image"].update(height=9))
    with pytest.raises(
        BundleError,
        match=r"manifest\.json of bundle .* is damaged: it says bundle [0-9a-f]{16}, its",
    ):
        Bundle.load(folder, side)


def rewrite_node(change):
    """A manifest whose id fits its (changed) node half."""

    def change_and_sign(manifest):
        change(manifest["node"])
        manifest["bundle_id"] = compute_id(manifest["node"]).hex()

    return change_and_sign


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: manifest.pop("host"),
        lambda manifest: manifest.pop("measured"),
        lambda manifest: manifest.update(host=[]),
        lambda manifest: manifest["host"]["tasks"].pop("label"),
        lambda manifest: manifest["host"].update(files={}),
        rewrite_node(lambda node: node.pop("image")),
        rewrite_node(lambda node: node["image"].update(depth=3)),
        rewrite_node(lambda node: node.update(latents="many")),
        rewrite_node(lambda node: node.update(latents=float("inf"))),
        rewrite_node(lambda node: node["files"].pop("tables.npz")),
    ],
)
def test_a_manifest_that_lacks_something_is_refused(folder, change):
    change_manifest(folder, change)
    with pytest.raises(BundleError, match=r"manifest\.json of bundle .* lacks or misstates"):
        Bundle.load(folder, "node")


NASTY = [
    None,
    True,
    "",
    "x",
    "é" * 2000,
    -1,
    0,
    0.5,
    1e308,
    1 << 40,
    1 << 70,
    [],
    [None],
    ["x"],
    {},
    {"x": None},
]


def places_in(value, place=()):
    """Every key of nested dictionaries, from the top."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield (*place, key)
            yield from places_in(inner, (*place, key))


def put_in(manifest, place, value):
    *outer, last = place
    for key in outer:
        manifest = manifest[key]
    manifest[last] = value


def test_a_manifest_with_the_right_id_and_anything_else_in_it_is_used_or_refused_in_a_sentence(
    folder,
):
    good = json.loads((folder / "manifest.json").read_text())
    n_refused = n_tried = 0
    said = set()
    for place in places_in(good):
        for value in NASTY:
            manifest = json.loads(json.dumps(good))
            put_in(manifest, place, value)
            manifest["bundle_id"] = compute_id(manifest.get("node")).hex()
            (folder / "manifest.json").write_text(json.dumps(manifest))
            n_tried += 1
            try:
                for side in ("node", "host"):
                    bundle = Bundle.load(folder, side)
                    assert all(type(length) is int for length in bundle.image.shape)
                    _ = bundle.tables, bundle.task("label"), bundle.calibration, bundle.data_set
            except BundleError as refusal:
                n_refused += 1
                said.add(f"{folder}" in str(refusal))
    assert n_tried > 200
    assert n_refused > n_tried / 2
    assert said == {True}, "each names the bundle"


@pytest.mark.parametrize(
    ("place", "value", "sentence"),
    [
        (
            ("node", "image", "height"),
            "x",
            r"node\.image\.height is 'x', it must be a whole number",
        ),
        (
            ("node", "image", "pixel_pad"),
            None,
            r"node\.image\.pixel_pad is None, it must be a whole number",
        ),
        (("node", "image", "channels"), 9, r"node\.image\.channels is 9; it must be from 1 to 4"),
        (("node", "latents"), 0, r"node\.latents is 0; it must be from 1 to 65536"),
        (
            ("node", "files", "encoder.tflite", "bytes"),
            "many",
            r"node\.files\.encoder\.tflite\.bytes is 'many', it must",
        ),
        (
            ("host", "tasks", "label", "classes"),
            "ab",
            r"host\.tasks\.label\.classes is 'ab', it must be a list of texts",
        ),
        (("measured",), 3, r"measured is 3, it must be a section"),
    ],
)
def test_the_sentence_says_which_field_of_a_manifest_cannot_be(folder, place, value, sentence):
    def change(manifest):
        put_in(manifest, place, value)
        manifest["bundle_id"] = compute_id(manifest["node"]).hex()

    change_manifest(folder, change)
    with pytest.raises(
        BundleError, match=rf"manifest\.json of bundle .* lacks or misstates: {sentence}"
    ):
        Bundle.load(folder, "node")


LONE_SURROGATE = b'{"format": 1, "node": "\\ud800"}'


@pytest.mark.parametrize("text", [b"", b"{", b"[1]", b"\xff\xfe", b"[" * 100_000, LONE_SURROGATE])
def test_a_manifest_that_is_no_json_object_is_refused(folder, text):
    (folder / "manifest.json").write_bytes(text)
    with pytest.raises(BundleError, match=r"manifest\.json of bundle .* is damaged"):
        Bundle.load(folder, "node")


def test_a_huge_manifest_is_not_read(folder):
    (folder / "manifest.json").write_bytes(b" " * (1 << 20) + b"{}")
    with pytest.raises(BundleError, match="1048578 bytes, at most 1048576 are read"):
        Bundle.load(folder, "node")


def test_a_huge_file_is_not_read(folder):
    with open(folder / "encoder.tflite", "r+b") as file:
        file.truncate((64 << 20) + 1)
    with pytest.raises(
        BundleError, match=r"encoder\.tflite of bundle .* at most 67108864 are read"
    ):
        Bundle.load(folder, "node")


def test_a_manifest_cannot_reach_outside_its_folder(folder):
    def point_outside(manifest):
        manifest["host"]["tasks"]["label"]["file"] = "../secret"
        manifest["host"]["files"]["../secret"] = {
            "bytes": 6,
            "sha256": hashlib.sha256(b"secret").hexdigest(),
        }

    (folder.parent / "secret").write_bytes(b"secret")
    change_manifest(folder, point_outside)
    with pytest.raises(BundleError, match=r"names the file '\.\./secret', only plain file names"):
        Bundle.load(folder, "host")


def test_tables_of_another_size_than_the_manifest_says_are_refused(folder):
    change_manifest(folder, rewrite_node(lambda node: node.update(latents=13)))
    with pytest.raises(BundleError, match="has 12 latents, its manifest says 13"):
        _ = Bundle.load(folder, "node").tables


def test_what_is_no_bundle_is_said_so(tmp_path):
    with pytest.raises(BundleError, match=r"there is no bundle at .*nowhere"):
        Bundle.load(tmp_path / "nowhere", "node")
    with pytest.raises(BundleError, match=r"is not a bundle: it has no manifest\.json"):
        Bundle.load(tmp_path, "node")
    with pytest.raises(ValueError, match="side is 'both'"):
        Bundle.load(tmp_path, "both")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("reads", None),
        ("reads", 5),
        ("reads", {}),
        ("reads", [[0], [1], ["a"]]),
        ("reads", [[], [], [], []]),
        ("shape", [1, 1, 10**30]),
        ("shape", [1, 1, -4]),
        ("shape", "shape"),
        ("levels", 16),
        ("levels", True),
    ],
)
def test_a_segment_that_cannot_be_is_named(tmp_path, key, value):
    folder = make_team_bundle(tmp_path / "team").path

    def change(manifest):
        manifest["node"]["team"]["segments"]["0"][key] = value
        manifest["bundle_id"] = compute_id(manifest["node"]).hex()

    change_manifest(folder, change)
    with pytest.raises(BundleError, match=r"lacks or misstates: node\.team.*export it again"):
        Bundle.load(folder, "host")


def test_an_order_of_yes_and_no_is_no_order(tmp_path):
    folder = make_team_bundle(tmp_path / "team").path

    def change(manifest):
        manifest["node"]["team"]["order"][:2] = [False, True]
        manifest["bundle_id"] = compute_id(manifest["node"]).hex()

    change_manifest(folder, change)
    with pytest.raises(BundleError, match="it must be a list of whole numbers"):
        Bundle.load(folder, "host")


@pytest.mark.parametrize("owner", [None, (-1, -1, -1, *[2] * 4, *[1] * 4, *[0] * 4)])
def test_tables_that_leave_out_the_latents_of_other_groups_are_refused(tmp_path, owner):
    bundle = make_team_bundle(tmp_path / "team")
    assert bundle.tables.n_latents == 15
    replace(team_tables(), owner=owner).to_npz(bundle.path / "tables.npz")
    again = Bundle.write(bundle.path, bundle.manifest)
    with pytest.raises(BundleError, match="leaves out other latents of dead groups"):
        _ = again.tables
