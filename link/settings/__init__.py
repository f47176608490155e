"""What a person writes for a program: TOML files, checked key by key, and where they lie."""

from link.settings import host_folder, setting, toml_text
from link.settings.address import HOST, check_addresses
from link.settings.renamed import rename_keys
from link.settings.toml_file import has_mark, read_text, read_toml, shown
