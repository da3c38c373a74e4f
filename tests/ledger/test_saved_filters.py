"""Saved filters go with the token of who saved them."""

from contextlib import closing
from datetime import timedelta

from ledger import tokens
from ledger.domain.access import Role
from ledger.domain.events import Metadata
from ledger.log import Log
from ledger.postgres.database import Database
from ledger.saved_filters import SavedFilter, SavedFilters, remove_ended

META = Metadata(actor="admin", reason="test")
MINE = SavedFilter("mine", "q=ada@example.com")


def test_those_of_tokens_that_are_over_are_removed(database: Database) -> None:
    with Log.of(database) as log, closing(SavedFilters(database)) as filters:
        lasting, revoked = (tokens.issue(log, Role.ADMIN, name, META) for name in ("A", "B"))
        expired = tokens.issue(log, Role.ADMIN, "C", META, lifetime=timedelta(microseconds=1))
        for token in (lasting, revoked, expired):
            filters.save(token.token_id, "/console/orders", MINE)
        tokens.revoke(log, revoked.token_id, META)
        remove_ended(database, log)
        left = [
            filters.of(token.token_id, "/console/orders") for token in (lasting, revoked, expired)
        ]
    assert left == [[MINE], [], []]
