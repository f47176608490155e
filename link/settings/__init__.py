"""What a person writes for a program: TOML files, checked key by key, and where they lie."""

from link.settings import host_folder, setting
from link.settings.address import HOST, parse_address
from link.settings.renamed import rename_keys
from link.settings.toml_file import has_mark, read_text, read_toml, shown

__all__ = [
    "HOST",
    "has_mark",
    "host_folder",
    "parse_address",
    "read_text",
    "read_toml",
    "rename_keys",
    "setting",
    "shown",
]
