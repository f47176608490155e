BEGIN TRANSACTION;
CREATE TABLE answers (
    sender INTEGER NOT NULL REFERENCES senders,
    image INTEGER NOT NULL,
    counter INTEGER NOT NULL,   -- of the packet that led to it
    received_s REAL NOT NULL,
    label TEXT NOT NULL,
    probabilities TEXT NOT NULL,
    confidence REAL,            -- calibrated
    anomaly_score REAL,         -- NULL while symbols are missing, or without a score
    is_anomaly INTEGER,         -- it shows none of the classes
    symbols_known INTEGER NOT NULL,
    chunks INTEGER NOT NULL,
    is_complete INTEGER NOT NULL,
    is_enough INTEGER NOT NULL, -- the verdict
    bitstream_bytes INTEGER NOT NULL,
    packet_bytes INTEGER NOT NULL,
    age_s REAL,
    PRIMARY KEY (sender, image, chunks)) WITHOUT ROWID;
INSERT INTO "answers" VALUES(1,2,3,1000.0,'bee','[0.0, 1.0, 0.0, 0.0]',NULL,NULL,NULL,12,1,1,0,4,15,0.0);
INSERT INTO "answers" VALUES(1,5,6,1000.0,'bee','[0.0, 1.0, 0.0, 0.0]',0.5,NULL,NULL,12,1,0,0,4,15,0.0);
CREATE TABLE chunks (           -- each once, however often it came
    sender INTEGER NOT NULL REFERENCES senders,
    bundle TEXT NOT NULL,
    image INTEGER NOT NULL,
    chunk INTEGER NOT NULL,
    counter INTEGER NOT NULL,   -- of the packet that brought it
    is_last INTEGER NOT NULL,
    bitstream BLOB NOT NULL,
    age_s REAL,                 -- from capture to sending, of chunk 0
    PRIMARY KEY (sender, bundle, image, chunk)) WITHOUT ROWID;
INSERT INTO "chunks" VALUES(1,'0000000000000000',2,0,3,1,X'05',2.0);
INSERT INTO "chunks" VALUES(1,'0000000000000000',5,0,6,0,X'6162',2.0);
CREATE TABLE packets (          -- every packet whose seal was good
    sender INTEGER NOT NULL REFERENCES senders,
    counter INTEGER NOT NULL,
    received_s REAL NOT NULL,
    gateway TEXT NOT NULL,
    snr_db REAL,
    rssi_dbm REAL,
    reason TEXT,                -- why it gave no answer; NULL where it gave one
    packet BLOB,                -- as it came, sealed; NULL where it came before or was rebuilt
    PRIMARY KEY (sender, counter)) WITHOUT ROWID;
INSERT INTO "packets" VALUES(1,3,1000.0,'roof',7.0,-80.0,NULL,X'7365616C6564');
INSERT INTO "packets" VALUES(1,6,1000.0,'roof',7.0,-80.0,NULL,X'7365616C6564');
INSERT INTO "packets" VALUES(1,7,1000.0,'',NULL,NULL,'gap',NULL);
CREATE TABLE refusals (         -- what was not used, counted by reason, with the latest example
    reason TEXT PRIMARY KEY,
    n INTEGER NOT NULL,
    last_s REAL NOT NULL,
    last_sentence TEXT NOT NULL,
    last_packet BLOB) WITHOUT ROWID;
CREATE TABLE senders (          -- a node under one key, for as long as its counters run on
    id INTEGER PRIMARY KEY,
    node INTEGER NOT NULL,
    key_id TEXT NOT NULL,
    salt BLOB NOT NULL,         -- of its present session
    highest INTEGER NOT NULL,   -- counter received
    received BLOB NOT NULL,     -- the 64 up to it, one bit each
    bundle_id BLOB NOT NULL DEFAULT x'');
INSERT INTO "senders" VALUES(1,7,'a58cdb445ce0c6ce',X'73616C74',7,X'0000000000000001',X'');
CREATE TABLE statistics (       -- of a node since a start of the host (link.host.statistics)
    node INTEGER NOT NULL,
    started_s REAL NOT NULL,
    figures TEXT NOT NULL,
    PRIMARY KEY (node, started_s)) WITHOUT ROWID;
CREATE INDEX senders_by_key ON senders (node, key_id, id);
COMMIT;
PRAGMA user_version = 4;
