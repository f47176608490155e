"""Pictures that a node keeps for its person, and how they lie in folders until they have labels."""

from link.album.kept import FOLDER, Kept, file_name, is_file_name, sequence_of, to_bytes
