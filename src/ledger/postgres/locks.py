"""Locks of files between processes (`flock`): the kernel releases them however a process ends."""

import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from fcntl import LOCK_EX, LOCK_NB, LOCK_SH, flock
from pathlib import Path


def open_lock(path: Path) -> int:
    """Open the file descriptor of a lock file, making the file; it does not hold the lock yet.

    Raises `OSError` where there is a link in its place.
    """
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)


@contextmanager
def exclusive(path: Path) -> Generator[int]:
    """Hold the lock for the block, after waiting for its holder."""
    lock = open_lock(path)
    try:
        flock(lock, LOCK_EX)
        yield lock
    finally:
        os.close(lock)


def shared(path: Path) -> int:
    """Take a share of the lock; closing the descriptor that is returned gives it back."""
    lock = open_lock(path)
    flock(lock, LOCK_SH)
    return lock


def try_exclusive(lock: int) -> bool:
    """Make the descriptor the lock's only holder, or say that another process holds it too."""
    with suppress(BlockingIOError):
        flock(lock, LOCK_EX | LOCK_NB)
        return True
    return False
