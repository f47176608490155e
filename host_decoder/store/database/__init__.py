"""Where it lies: a SQLite file or a PostgreSQL server, with one schema."""
