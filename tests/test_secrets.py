"""What a person who works in the checkout leaves there is not committed by `git add .`."""

import shutil
import subprocess

from tests.programs import program
from tests.test_boundaries import ROOT

LEFT = (
    "node.toml",
    "host.toml",
    "keys/node.key",
    "keys/node-1.key",
    "keys/counter.json",
    "keys/app.key",
    "keys/bundle-signing.key",
    "nodes/1.toml",
    "site/nodes/keys/node-1.key",
    "site/host.toml",
    "site/teams/1.toml",
    "site/revoked.json",
    "site/host.sqlite.lock",
    "site/nodes/1.toml",
    "state/outbox-8c2cac44037e0432.sqlite",
    "host.sqlite",
    "host.sqlite-wal",
    "host.sqlite.damaged-1",
    "airtime.json",
    "airtime-roof.json",
    "node.toml.good",
    "runs/photos-photo-32/ce.pt",
    "docs/results.html",
)


def test_keys_settings_and_stores_are_ignored_by_git(tmp_path):
    git = program("git")
    shutil.copy(ROOT / ".gitignore", tmp_path)
    for name in (*LEFT, "photo.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    subprocess.run([git, "init", "-q", tmp_path], check=True)
    added = subprocess.run(
        [git, "add", "--dry-run", "."], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert added.stdout.splitlines() == ["add '.gitignore'", "add 'photo.png'"]


def test_nothing_that_is_committed_is_ignored():
    """Such a file would be lost from a copy that git makes of the working tree."""
    listed = subprocess.run(
        [program("git"), "ls-files", "--ignored", "--cached", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert listed.stdout == ""
