"""What a person writes for a program: TOML files, checked key by key, and where they lie."""
