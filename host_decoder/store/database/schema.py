"""Schema: the tables of a store, once for SQLite and PostgreSQL.

Times are Unix seconds, hours Unix hours. A node is (site, number): numbers of 254 nodes are a
site's own, so sites add up to any fleet. `packets`, `receptions` and `results` are cut by day on
PostgreSQL; that is why the time stands in their keys. What the wall shows stands in `node_state`
alone, and what a chart shows in the tables by hour: no page counts rows.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

VERSION = 6
METADATA = MetaData()
DAILY = "RANGE (received_s)"


def _id(name: str = "id") -> Column:
    return Column(name, Integer, primary_key=True)


def _of(table: str, name: str) -> Column:
    return Column(name, ForeignKey(f"{table}.id"), nullable=False)


def _key(name: str, kind: type = Integer) -> Column:
    return Column(name, kind, primary_key=True, autoincrement=False)


def _is(name: str, kind: type, **how: Any) -> Column:
    """A column that always has a value."""
    return Column(name, kind, nullable=False, **how)


def _may(name: str, kind: type = Double) -> Column:
    return Column(name, kind)


def _keyed(name: str, *columns: Column | Index | UniqueConstraint, daily: bool = False) -> Table:
    """A table that lies in the order of its key."""
    cut: dict[str, Any] = {"postgresql_partition_by": DAILY} if daily else {}
    return Table(name, METADATA, *columns, sqlite_with_rowid=False, **cut)


SITES = Table("sites", METADATA, _id(), _is("name", Text, unique=True))
LABELS = Table("labels", METADATA, _id(), _is("name", Text, unique=True))
DECODERS = Table(  # what answered; its classes in the order of `results.probabilities`
    "decoders",
    METADATA,
    _id(),
    _is("bundle", Text),
    _is("task", Text),
    _is("sha256", Text),  # of its file; empty: not known, it answered before format 6
    _is("classes", Text),  # JSON
    _is("added_s", Double),
    UniqueConstraint("bundle", "task", "sha256"),
)
SHOWN = _keyed(  # images of a bundle that came until then are shown as this decoder sees them
    "shown",
    _key("bundle", Text),
    _of("decoders", "decoder_id"),
    _is("until_s", Double),
)
NODES = Table(
    "nodes",
    METADATA,
    _id(),
    _of("sites", "site_id"),
    _is("number", Integer),
    _may("name", Text),
    _may("bundle", Text),
    _may("latitude"),
    _may("longitude"),
    _may("muted_until_s"),
    _is("added_s", Double),
    UniqueConstraint("site_id", "number"),
)
SENDERS = Table(  # a node under one key, for as long as its counters run on
    "senders",
    METADATA,
    _id(),
    _of("nodes", "node_id"),
    _is("key_id", Text),
    _is("salt", LargeBinary),  # of its present session
    _is("highest", BigInteger),  # counter received
    _is("received", LargeBinary),  # the 64 up to it, one bit each
    _is("bundle_id", LargeBinary),  # of its images; empty: not known
    Index("senders_by_key", "node_id", "key_id", "id"),
)
PACKETS = _keyed(  # every packet whose seal was good
    "packets",
    _key("sender"),
    _key("counter", BigInteger),
    _key("received_s", Double),
    _is("n_bytes", Integer),
    _may("reason", Text),  # why it gave no answer; NULL where it gave one
    _may("packet", LargeBinary),  # as it came, sealed; NULL where it came before or was rebuilt
    daily=True,
)
RECEPTIONS = _keyed(  # a packet at each gateway that heard it
    "receptions",
    _key("sender"),
    _key("counter", BigInteger),
    _key("gateway", Text),
    _key("received_s", Double),
    _may("snr_db"),
    _may("rssi_dbm"),
    daily=True,
)
CHUNKS = _keyed(  # each once, however often it came: what every decoder begins with
    "chunks",
    _key("sender"),
    _key("bundle", Text),
    _key("image", BigInteger),
    _key("version", LargeBinary),  # of a team's: the session whose card made it; else empty
    _key("chunk"),
    _is("counter", BigInteger),  # of the packet that brought it
    _is("received_s", Double),
    _is("is_last", Boolean),
    _is("bitstream", LargeBinary),
    _may("age_s"),  # from capture to sending, of chunk 0
    Index("chunks_by_bundle", "bundle", "sender", "image"),
)
RESULTS = _keyed(  # an image as a decoder sees it, by what had come then
    "results",
    _key("sender"),
    _key("image", BigInteger),
    _key("rev"),  # chunks that it was made of
    _key("decoder_id"),
    _key("received_s", Double),
    _is("node_id", Integer),
    _may("captured_s"),
    _is("counter", BigInteger),  # of the packet that led to it
    _is("label_id", Integer),
    _is("probabilities", LargeBinary),  # float16, of each class of the decoder
    _may("confidence"),  # calibrated
    _may("anomaly_score"),  # NULL while symbols are missing, or without a score
    _may("is_anomaly", Boolean),  # it shows none of the classes
    _is("is_latest", Boolean),  # of this image and decoder
    _is("is_live", Boolean),  # said when it came; else by a job
    _is("is_complete", Boolean),
    _is("is_enough", Boolean),  # the verdict
    _is("symbols_known", Integer),
    _is("bitstream_bytes", Integer),
    _may("packet_bytes", Integer),
    _may("age_s"),
    _may("alive", Text),  # of a team: 1 or 0 for each group, whether its latents came
    _may("tasks", Text),  # JSON of what further decoders say
    Index("results_by_time", "received_s", "image", "node_id"),
    Index("results_by_node", "node_id", "received_s", "image"),
    Index("results_by_label", "label_id", "received_s", "image", "node_id"),
    daily=True,
)
NODE_STATE = _keyed(  # all that the wall reads
    "node_state",
    _key("node_id"),
    _is("heard_s", Double),
    _may("gateway", Text),  # that heard it last
    _may("snr_db"),
    _may("rssi_dbm"),
    _is("n_packets", BigInteger),
    _is("n_results", BigInteger),
    _may("loss_ratio"),  # since the host's start
    _may("image", BigInteger),
    _may("rev", Integer),
    _may("received_s"),  # of the latest answer
    _may("captured_s"),
    _may("decoder_id", Integer),
    _may("label_id", Integer),
    _may("confidence"),
    _may("top", Text),  # JSON: [[label, probability], ...]
    _may("is_anomaly", Boolean),
    _may("is_complete", Boolean),
    _may("tasks", Text),
    _may("status_s"),  # when it last told what follows
    _may("queue_images", Integer),
    _may("oldest_age_s"),
    _may("budget_s"),
    _may("n_evicted", Integer),
    _may("fault", Text),
)
STATUSES = _keyed(
    "statuses",
    _key("node_id"),
    _key("received_s", Double),
    _is("queue_images", Integer),
    _may("oldest_age_s"),
    _may("budget_s"),
    _is("n_evicted", Integer),
    _may("fault", Text),
)
LINK_HOUR = _keyed(
    "link_hour",
    _key("node_id"),
    _key("hour"),
    _key("gateway", Text),
    _is("n_packets", Integer),
    _is("n_bytes", BigInteger),
    _is("snr_n", Integer),
    _is("snr_sum", Double),
    _is("rssi_n", Integer),
    _is("rssi_sum", Double),
)
NODE_HOUR = _keyed(
    "node_hour",
    _key("node_id"),
    _key("hour"),
    _is("n_packets", Integer),
    _is("n_bytes", BigInteger),
    _is("n_lost", Integer),
    _is("n_images", Integer),
)
LABEL_HOUR = _keyed(  # images by the label they have now
    "label_hour",
    _key("node_id"),
    _key("hour"),
    _key("decoder_id"),
    _key("label_id"),
    _is("n", Integer),
)
REFUSALS = _keyed(  # what was not used, counted by reason, with the latest example
    "refusals",
    _key("site_id"),
    _key("reason", Text),
    _is("n", BigInteger),
    _is("last_s", Double),
    _is("last_sentence", Text),
    _may("last_packet", LargeBinary),
)
REFUSALS_HOUR = _keyed(
    "refusals_hour", _key("site_id"), _key("hour"), _key("reason", Text), _is("n", BigInteger)
)
STATISTICS = _keyed(  # of a node since a start of the host (link.host.statistics)
    "statistics", _key("node_id"), _key("started_s", Double), _is("figures", Text)
)
HAND_LABELS = _keyed(  # what a person says that an image shows
    "hand_labels",
    _key("sender"),
    _key("image", BigInteger),
    _is("label", Text),
    _is("labelled_s", Double),
)
JOBS = Table(
    "jobs",
    METADATA,
    _id(),
    _is("kind", Text),
    _is("spec", Text),  # JSON
    _is("state", Text),
    _may("cursor", Text),  # JSON: how far it is, written with what it did
    _is("n_done", BigInteger),
    _is("n_total", BigInteger),
    _may("error", Text),
    _is("added_s", Double),
    _may("ended_s"),
)
