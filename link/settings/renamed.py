"""Renamed: keys that had another name until this version. They are still read, and a sentence says
their present name.
"""

from typing import Any

from link.settings.toml_file import shown

RENAMED = {
    "link": {"feedback": "downlink"},
    "node": {"id": "node", "one_way": "downlink"},
}
"By section: the old name of each key and the new one."
CONTRARY = ("one_way",)
"Old names that said the contrary of the new one."


def rename_keys(section: str, content: Any, where: str, notices: dict[str, str]) -> None:
    """Give the keys of a section, or of each in a list of them, their present names; a sentence
    goes to the `notices` for each old name that was found, however often.
    """
    for table in content if isinstance(content, list) else [content]:
        if not isinstance(table, dict):
            continue
        for old, new in RENAMED[section].items():
            if old not in table or new in table:  # with both, the old one is an unknown key
                continue
            value = table.pop(old)
            table[new] = not value if old in CONTRARY and isinstance(value, bool) else value
            notices.setdefault(
                old,
                f"{where}: {old} is now called {new}; write {new} = {shown(table[new]).lower()}, "
                f"and so wherever {old} stands: only this version still reads it",
            )
