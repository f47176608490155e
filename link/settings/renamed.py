"""Renamed: keys that had another name until this version. They are still read, and a sentence says
their present name.
"""

from typing import Any

from link.settings.toml_file import shown

RENAMED: dict[str, dict[str, tuple[str, type]]] = {
    "link": {"feedback": ("downlink", bool)},
    "node": {"id": ("node", int), "one_way": ("downlink", bool)},
}
"By section: the old name of each key, the new one, and the type of its value."
CONTRARY = ("one_way",)
"Old names that said the contrary of the new one."


def rename_keys(section: str, content: Any, where: str, notices: dict[str, str]) -> None:
    """Give the keys of a section, or of each in a list of them, their present names; a sentence
    goes to the `notices` for each old name that was found, however often.

    Beside the new name, or with a value that cannot be, the old one stays: whoever checks the
    section then says what the person wrote.
    """
    for table in content if isinstance(content, list) else [content]:
        if not isinstance(table, dict):
            continue
        for old, (new, kind) in RENAMED[section].items():
            if new in table or type(table.get(old)) is not kind:
                continue
            value = table.pop(old)
            table[new] = not value if old in CONTRARY else value
            contrary = ", and says the contrary" if old in CONTRARY else ""
            notices.setdefault(
                old,
                f"{where}: {old} is now called {new}{contrary}; write {new} = "
                f"{shown(table[new]).lower()}, and so wherever {old} stands: only this version "
                "still reads it",
            )
