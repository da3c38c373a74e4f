"""The root of a list by RFC 6962: it changes with any entry, and proves one without the others.

https://www.rfc-editor.org/rfc/rfc6962#section-2.1
"""

from collections.abc import Sequence
from hashlib import sha256


def root(entries: Sequence[bytes]) -> bytes:
    """The Merkle tree hash of these entries, 32 bytes; of none: the hash of nothing."""
    return root_of([sha256(b"\x00" + entry).digest() for entry in entries])


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The same of the entries' leaf hashes, level by level: a last one without a pair goes up."""
    if not leaves:
        return sha256().digest()
    level = leaves
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2], strict=False)
        above = [sha256(b"\x01" + left + right).digest() for left, right in pairs]
        level = [*above, level[-1]] if len(level) % 2 else above
    return level[0]
