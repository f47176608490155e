"""What a person reads: every key, variable and command is there, and nothing that is not so."""

import re
import tomllib

import pytest

from latentlink.commands import COMMANDS
from latentlink.variables import VARIABLES
from link.settings.setting import Setting, settings_of
from tests.documents import command_line, keys
from tests.documents.markdown import commands, mentioned
from tests.documents.parts import PARTS, ROOT, made_in, pages, renewed
from tests.documents.reading import OURS, PACKAGES, fault

PAGES = pages()
TABLES = {
    "host_decoder/config.py",
    "host_decoder/gateway_config.py",
    "link/gateway/port.py",
    "host_decoder/learn/config.py",
    "device/training/description.py",  # written by a run's host, not by a person
}
"Modules whose keys stand in tables of settings, and are among the made parts."
OLDER = ("results.md",)
"Says commands of the revision at which something was measured."
INNER = {"LATENTLINK_ROOT", "LATENTLINK_TEST_RUN"}
"Said by our own programs to each other."
MAX_README_BYTES, MAX_README_NUMBERS = 7000, 100
SECTIONS: dict[str, dict[str, Setting]] = {
    **{name: settings_of(kind) for name, kind in keys.NODE_TOML.items()},
    **{name: dict(settings) for name, settings in keys.HOST_TOML.items()},
}


def name_of(page):
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_what_a_page_says_of_the_programs_is_what_they_say(page):
    text = page.read_text(encoding="utf-8")
    assert renewed(text) == text, "type `make docs`, and read the difference"


def test_every_made_part_has_its_place():
    made = [name for page in PAGES for name in made_in(page.read_text(encoding="utf-8"))]
    assert set(made) == PARTS.keys()


@pytest.mark.parametrize("section", SECTIONS)
def test_every_key_says_what_it_means(section):
    assert [name for name, one in SECTIONS[section].items() if not one.means] == []


def test_no_file_that_a_person_writes_is_left_out():
    reads = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if re.search(r"\bsetting\.(whole|text|number)\(", path.read_text(encoding="utf-8"))
    }
    modules = {kind.__module__ for kind in (*keys.NODE_TOML.values(), *keys.SECTIONS.values())}
    told = {f"{module.replace('.', '/')}.py" for module in modules} | TABLES
    assert reads - told == set()


def test_every_variable_command_and_option_says_what_it_is_for():
    assert all(one.text for one in VARIABLES.values())
    assert all(one.text for one in COMMANDS.values())
    text = command_line.commands_text()
    assert re.findall(r"^\| .* \|  \|$", text, re.MULTILINE) == []
    assert set(re.findall(r"^### latentlink (\S+)$", text, re.MULTILINE)) == COMMANDS.keys()


def test_every_variable_of_the_environment_is_told():
    page = (ROOT / "docs/commands.md").read_text(encoding="utf-8")
    read = {
        name
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        for name in re.findall(
            r"\b(EDGETPU|LATENTLINK_[A-Z_]+|DATA_DIR)\b", path.read_text(encoding="utf-8")
        )
    }
    assert {name for name in read if f"| `{name}` |" not in page} == INNER


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_that_a_page_shows_is_understood(page, tmp_path):
    text = page.read_text(encoding="utf-8")
    wrong = {one.line: why for one in commands(text) if (why := fault(one.line, tmp_path))}
    if page.name not in OLDER:
        for one in mentioned(text, OURS):
            why = fault(one.line, tmp_path)
            if why and "are required" not in why:  # only its name is meant
                wrong[one.line] = why
    assert wrong == {}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_of_a_page_leads_somewhere(page):
    text = page.read_text(encoding="utf-8")
    for link, heading in re.findall(r"\]\(([^)#\s:]*)(?:#([^)\s]+))?\)", text):
        target = page.parent / link if link else page
        assert target.exists(), f"{name_of(page)} leads to {link}"
        if heading and target.suffix == ".md":
            assert heading in anchors(target.read_text(encoding="utf-8")), f"{link}#{heading}"


def anchors(text: str) -> set[str]:
    """What a page's headings are called, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_example_of_settings_has_keys_that_are_read(page):
    for block in re.findall(
        r"```toml[^\n]*\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL
    ):
        table = tomllib.loads(block)
        known = {name for settings in SECTIONS.values() for name in settings}
        assert set(all_keys(table)) <= known, name_of(page)


def all_keys(table):
    for name, value in table.items():
        yield name
        for inner in value if isinstance(value, list) else [value]:
            if isinstance(inner, dict):
                yield from all_keys(inner)


def test_the_front_door_is_small():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.encode()) <= MAX_README_BYTES
    numbers = re.findall(r"(?<![\w.])\d[\d,.]*", text)
    assert len(numbers) <= MAX_README_NUMBERS


def test_the_licence_is_where_it_is_looked_for():
    licence = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in licence
    assert "the latentlink authors" in licence
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["license"] == "Apache-2.0"
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    released = sorted(path.parent.name for path in (ROOT / "models").glob("*/manifest.json"))
    assert [name for name in released if f"models/{name}" not in notice] == []
