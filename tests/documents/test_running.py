"""A page is typed from top to bottom, and what fails is named."""

import pytest

from tests.documents import running
from tests.documents.reading import fault
from tests.documents.running import Scratch

PAGE = """# How to

```toml desk/node.toml
node = 1
```

```sh stays
sleep 60
```

```sh
cat desk/node.toml > copy     # a remark
grep -q 'node = 1' copy
```

```sh dry
make trian
make live LINK=lora-sf7 IMAGES=3
```

1. In a list:

   ```sh
   false
   echo after > never
   ```
"""


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    monkeypatch.setattr(running, "BEGINS_S", 0.2)
    folder, home = tmp_path / "checkout", tmp_path / "home"
    folder.mkdir()
    home.mkdir()
    return Scratch(folder, home)


def test_a_page_is_typed_and_what_fails_is_named(scratch, tmp_path, capsys):
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    scratch.take(page)
    assert (scratch.folder / "copy").read_text() == "node = 1\n"
    assert not (scratch.folder / "never").exists()
    assert scratch.failed == ["make trian", "false; echo after > never"]
    assert (scratch.n_run, scratch.n_read) == (5, 2)
    assert "there is no such target" in capsys.readouterr().out
    assert scratch.staying == []


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("make live LINK=lora-sf99", "there is no such line"),
        ("make live dataset=digits", "there is no variable dataset"),
        ("latentlink lvie", "latentlink has no command lvie"),
        ("latentlink host --veiw", "there is no option --veiw"),
        ("python -m link emulate", "--link"),
        ("python -m device.nothing x", "there is no module device.nothing"),
        ("echo 'open", "unexpected EOF"),
        ("cowsay hello", "no page has shown this program"),
        ("sudo latentlink host init --link rn2483-sf9 && lsblk | cowsay", "cowsay"),
    ],
)
def test_what_a_program_would_not_take_is_said(line, why, tmp_path):
    assert why in fault(line, tmp_path)


def test_what_a_program_takes_is_right(tmp_path):
    for line in (
        "make train DATASET=photos/ TEACHER=runs/x/ce.pt",
        ". .venv/bin/activate && latentlink live --images 3 > out.txt",
        "latentlink host retire 7",
    ):
        assert fault(line, tmp_path) == ""
