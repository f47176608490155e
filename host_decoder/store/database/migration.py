"""Migration: a store of an earlier format becomes one of this, in one transaction a step.

Numbered steps and not Alembic's: formats 2 to 5 were SQLite files long before a server was asked,
and theirs are told apart by `user_version`; a chain of revisions beside it would be a second truth.
Format 6 is the first with sites, decoders that are named, times that are indexed and figures by
hour; all of it is made of what the earlier ones hold.
"""

import json
import sqlite3
from pathlib import Path

import numpy as np
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from host_decoder.store.database.file import StoreError
from host_decoder.store.database.schema import METADATA, VERSION

SITE = "home"
"The name of a site that was given none."
TABLES_OF_OLD = {"senders", "packets", "chunks", "answers", "refusals", "statistics"}
EARLIER = {
    2: """
CREATE TABLE senders_3 (
    id INTEGER PRIMARY KEY, node INTEGER NOT NULL, key_id TEXT NOT NULL, salt BLOB NOT NULL,
    highest INTEGER NOT NULL, received BLOB NOT NULL, bundle_id BLOB NOT NULL DEFAULT x'');
INSERT INTO senders_3 SELECT id, node, key_id, salt, highest, received, x'' FROM senders;
DROP TABLE senders;
ALTER TABLE senders_3 RENAME TO senders;
CREATE INDEX senders_by_key ON senders (node, key_id, id);
ALTER TABLE answers ADD COLUMN anomaly_score REAL;
ALTER TABLE answers ADD COLUMN is_anomaly INTEGER;
""",
    3: "ALTER TABLE packets RENAME COLUMN verdict TO reason;",
    4: """
CREATE TABLE chunks_5 (
    sender INTEGER NOT NULL REFERENCES senders, bundle TEXT NOT NULL, image INTEGER NOT NULL,
    version BLOB NOT NULL, chunk INTEGER NOT NULL, counter INTEGER NOT NULL,
    is_last INTEGER NOT NULL, bitstream BLOB NOT NULL, age_s REAL,
    PRIMARY KEY (sender, bundle, image, version, chunk)) WITHOUT ROWID;
INSERT INTO chunks_5 SELECT sender, bundle, image, x'', chunk, counter, is_last, bitstream, age_s
    FROM chunks;
DROP TABLE chunks;
ALTER TABLE chunks_5 RENAME TO chunks;
ALTER TABLE answers ADD COLUMN alive TEXT;
""",
    5: "",  # below: it needs the tables of format 6
}
"From each earlier format to the next."
SET_ASIDE = "DROP INDEX senders_by_key;" + "".join(
    f"ALTER TABLE {name} RENAME TO old_{name};" for name in sorted(TABLES_OF_OLD)
)
HOUR = "CAST(received_s / 3600 AS INTEGER)"
FILL = f"""
INSERT INTO sites VALUES (1, '{SITE}');
INSERT INTO nodes (site_id, number, added_s)
    SELECT 1, node, coalesce((SELECT min(received_s) FROM old_packets JOIN old_senders
        ON old_senders.id = sender WHERE old_senders.node = one.node), 0)
    FROM (SELECT node FROM old_senders UNION SELECT node FROM old_statistics) AS one ORDER BY node;
INSERT INTO senders SELECT old_senders.id, nodes.id, key_id, salt, highest, received, bundle_id
    FROM old_senders JOIN nodes ON number = node;
INSERT INTO packets SELECT sender, counter, received_s, coalesce(length(packet), 0), reason, packet
    FROM old_packets;
INSERT INTO receptions SELECT sender, counter, gateway, received_s, snr_db, rssi_dbm
    FROM old_packets WHERE packet NOT NULL;
INSERT INTO chunks SELECT c.sender, bundle, image, version, chunk, c.counter,
        coalesce(received_s, 0), is_last, bitstream, age_s
    FROM old_chunks AS c LEFT JOIN old_packets AS p
        ON p.sender = c.sender AND p.counter = c.counter;
INSERT INTO labels (name) SELECT DISTINCT label FROM old_answers ORDER BY 1;
CREATE TEMP TABLE said AS SELECT *, coalesce(
        (SELECT bundle FROM old_chunks AS c WHERE c.sender = a.sender AND c.image = a.image
            AND c.counter = a.counter LIMIT 1),
        (SELECT bundle FROM old_chunks AS c WHERE c.sender = a.sender AND c.image = a.image
            LIMIT 1), '') AS bundle
    FROM old_answers AS a;
INSERT INTO decoders (bundle, task, sha256, classes, added_s)
    SELECT DISTINCT bundle, 'label', '', '[]', 0 FROM said ORDER BY 1;
INSERT INTO results SELECT sender, image, chunks, decoders.id, received_s, node_id,
        min(received_s) OVER one - age_s, counter, labels.id, half(probabilities), confidence,
        anomaly_score, is_anomaly, chunks = max(chunks) OVER one, 1, is_complete, is_enough,
        symbols_known, bitstream_bytes, packet_bytes, age_s, alive, NULL
    FROM said JOIN senders ON senders.id = sender JOIN labels ON labels.name = label
        JOIN decoders ON decoders.bundle = said.bundle
    WINDOW one AS (PARTITION BY sender, image);
DROP TABLE said;
INSERT INTO label_hour SELECT node_id, {HOUR}, decoder_id, label_id, count(*)
    FROM results WHERE is_latest GROUP BY 1, 2, 3, 4;
INSERT INTO link_hour SELECT node_id, CAST(r.received_s / 3600 AS INTEGER), gateway, count(*),
        sum(n_bytes), count(snr_db), coalesce(sum(snr_db), 0), count(rssi_dbm),
        coalesce(sum(rssi_dbm), 0)
    FROM receptions AS r JOIN packets AS p USING (sender, counter)
        JOIN senders ON senders.id = sender GROUP BY 1, 2, 3;
INSERT INTO node_hour SELECT node_id, {HOUR}, count(*), sum(n_bytes), 0, 0
    FROM packets JOIN senders ON senders.id = sender GROUP BY 1, 2;
INSERT INTO node_hour SELECT node_id, {HOUR}, 0, 0, 0, count(*)
    FROM results WHERE is_latest GROUP BY 1, 2
    ON CONFLICT DO UPDATE SET n_images = excluded.n_images;
INSERT INTO node_state (node_id, heard_s, gateway, snr_db, rssi_dbm, n_packets, n_results)
    SELECT node_id, max(p.received_s), gateway, snr_db, rssi_dbm, count(*),
        (SELECT count(*) FROM results WHERE results.node_id = senders.node_id)
    FROM packets AS p JOIN senders ON senders.id = p.sender
        LEFT JOIN receptions AS r ON r.sender = p.sender AND r.counter = p.counter
    GROUP BY node_id;
UPDATE node_state SET (image, rev, received_s, captured_s, decoder_id, label_id, confidence,
        is_anomaly, is_complete) = (SELECT image, rev, received_s, captured_s, decoder_id,
        label_id, confidence, is_anomaly, is_complete FROM results
        WHERE results.node_id = node_state.node_id ORDER BY results.received_s DESC,
            counter DESC LIMIT 1);
INSERT INTO refusals SELECT 1, reason, n, last_s, last_sentence, last_packet FROM old_refusals;
INSERT INTO statistics SELECT nodes.id, started_s, figures
    FROM old_statistics JOIN nodes ON number = node;
""" + "".join(
    f"DROP TABLE old_{name};"
    for name in ("answers", "chunks", "packets", "refusals", "statistics", "senders")
)


def check_format(path: Path, raw: sqlite3.Connection) -> int:
    """The format of a store; 0: nothing is in the file. StoreError when it is none of ours."""
    [[version]] = raw.execute("PRAGMA user_version")
    tables = {name for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type='table'")}
    own = set(METADATA.tables)
    if version == 0 and not tables:
        return 0
    if tables and not tables & (TABLES_OF_OLD | own):
        raise StoreError(f"{path} is a database of another program; name another file")
    needed = TABLES_OF_OLD if version in EARLIER else own
    if version not in (VERSION, *EARLIER) or not tables >= needed:
        raise StoreError(
            f"store {path} has format {version}, this program has {VERSION}; "
            "name another file, or use the version that made it"
        )
    return int(version)


def migrate(raw: sqlite3.Connection, version: int) -> None:
    """To this format; a new file gets its tables."""
    raw.create_function("half", 1, _half, deterministic=True)
    while version != VERSION:
        following = VERSION if version == 0 else version + 1
        steps = _made() if version == 0 else EARLIER[version] or SET_ASIDE + _made() + FILL
        script = f"BEGIN IMMEDIATE; {steps} PRAGMA user_version = {following}; COMMIT;"
        try:
            raw.executescript(script)
        except BaseException:
            if raw.in_transaction:
                raw.execute("ROLLBACK")
            raise
        version = following


def _made() -> str:
    """All tables, in SQLite's words."""
    dialect = sqlite.dialect()
    made = [CreateTable(table).compile(dialect=dialect) for table in METADATA.sorted_tables]
    indices = [
        CreateIndex(index).compile(dialect=dialect)
        for table in METADATA.sorted_tables
        for index in sorted(table.indexes, key=lambda index: str(index.name))
    ]
    return "".join(f"{one};" for one in [*made, *indices])


def _half(probabilities: str) -> bytes:
    """As format 6 keeps them."""
    return np.array(json.loads(probabilities), np.float16).tobytes()
