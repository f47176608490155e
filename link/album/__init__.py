"""Pictures that a node keeps for its person, and how they lie in folders until they have labels."""

from link.album.kept import (
    FOLDER,
    MAX_KEPT_BYTES,
    Kept,
    TornError,
    file_name,
    from_bytes,
    is_file_name,
    sequence_of,
    to_bytes,
)
from link.album.unlabelled import cluster_name, is_unlabelled
