"""A stored event as bytes, and its hash: the leaf that stands for it in every Merkle tree."""

from __future__ import annotations

import hashlib
from typing import Final, NamedTuple

SELECT: Final = """
select
    notification_id, originator_id, originator_version, topic,
    case
        when isfinite(recorded_at) then (extract(epoch from recorded_at) * 1000000)::bigint
    end as recorded_at,
    state, leaf_hash
from ledger.stored_events
"""


class StoredRow(NamedTuple):
    """A stored event as it stands there; `recorded_at` in microseconds since 1970."""

    position: int
    stream: str
    version: int
    topic: str
    recorded_at: int | None
    state: bytes
    leaf_hash: bytes


def leaf_hash(row: StoredRow) -> bytes:
    """What `ledger.leaf_hash` must have made of a row; independent of that function."""
    return hashlib.sha256(hashed(row)).digest()


def hashed(row: StoredRow) -> bytes:
    """The bytes of a row of which its leaf hash is the SHA-256; the state comes last."""
    stream, topic = row.stream.encode(), row.topic.encode()
    return b"".join(
        (
            b"\x00\x01",
            _integer(row.position),
            len(stream).to_bytes(4),
            stream,
            _integer(row.version),
            len(topic).to_bytes(4),
            topic,
            _integer(row.recorded_at or 0),
            len(row.state).to_bytes(4),
            row.state,
        )
    )


def _integer(value: int) -> bytes:
    return value.to_bytes(8, signed=True)
