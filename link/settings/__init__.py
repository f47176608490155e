"""What a person writes for a program: TOML files, checked key by key, and where they lie."""

from link.settings.address import HOST, parse_address
from link.settings.host_folder import (
    HOST_TOML,
    KEYS,
    NAME,
    NODES,
    all_nodes,
    default_folder,
    host_toml,
    node_file,
)
from link.settings.setting import (
    MANY,
    REQUIRED_SECTION,
    SECTION,
    SECTIONS,
    TEXTS,
    YES_OR_NO,
    Setting,
    number,
    read_section,
    text,
    whole,
)
from link.settings.toml_file import has_mark, read_text, read_toml, shown

__all__ = [
    "HOST",
    "HOST_TOML",
    "KEYS",
    "MANY",
    "NAME",
    "NODES",
    "REQUIRED_SECTION",
    "SECTION",
    "SECTIONS",
    "TEXTS",
    "YES_OR_NO",
    "Setting",
    "all_nodes",
    "default_folder",
    "has_mark",
    "host_toml",
    "node_file",
    "number",
    "parse_address",
    "read_section",
    "read_text",
    "read_toml",
    "shown",
    "text",
    "whole",
]
