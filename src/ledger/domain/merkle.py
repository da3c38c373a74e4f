"""The root of a list by RFC 6962: it changes with any entry, and proves one without the others.

https://www.rfc-editor.org/rfc/rfc6962#section-2.1
"""

from collections.abc import Sequence
from hashlib import sha256


def root(entries: Sequence[bytes]) -> bytes:
    """The Merkle tree hash of these entries, 32 bytes; of none: the hash of nothing."""
    return _root([sha256(b"\x00" + entry).digest() for entry in entries])


def _root(leaves: Sequence[bytes]) -> bytes:
    if not leaves:
        return sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    left = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\x01" + _root(leaves[:left]) + _root(leaves[left:])).digest()
