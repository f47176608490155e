"""This machine: its files, its memory, its time."""

from link.base import durable, extras
from link.base.child import die_with_parent
from link.base.clock import boot_id, boot_s
from link.base.lock import FolderLock, HeldError
from link.base.memory import free_bytes
from link.base.pause import Pause
from link.base.recent import Recent
