"""Disk space held in reserve for the journal.

SQLite needs free space to delete rows. A file of some size stands beside the journal; when the disk is full it is
deleted, so that the journal can be emptied, and it is written again once there is space. While it is missing nothing is
appended to the journal: the space is for deleting.
"""

import os
from dataclasses import dataclass
from pathlib import Path

_LEAST_BYTES, _MOST_BYTES = 256 * 1024, 4 * 1024 * 1024


def reserve_bytes(directory: Path) -> int:
    """Return how much to hold on the disk of a directory: a sixteenth of it, 256 kB to 4 MB."""
    disk = os.statvfs(directory)
    return max(_LEAST_BYTES, min(_MOST_BYTES, disk.f_blocks * disk.f_frsize // 16))


@dataclass(slots=True)
class Reserve:
    """A file that only takes space."""

    path: Path
    size_bytes: int

    @property
    def held(self) -> bool:
        """Is the space taken?"""
        try:
            return self.path.stat().st_size >= self.size_bytes
        except OSError:
            return False

    def hold(self) -> None:
        """Take the space, if it is not taken yet; OSError, and nothing taken, when there is not enough."""
        if self.held:
            return
        try:
            with self.path.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, self.size_bytes)
        except OSError:
            self.release()
            raise

    def release(self) -> bool:
        """Give the space back; False when none was taken, or the file cannot be deleted."""
        held = self.held
        try:
            self.path.unlink(missing_ok=True)
        except OSError:
            return False
        return held
