"""Tokens: their shape, and those that the log knows."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.domain.access import STREAM, Role
from ledger.domain.events import Metadata
from ledger.errors import InvalidCommand, StoreUnavailable, UnknownToken
from ledger.log import Log
from ledger.postgres.database import Database
from ledger.tokens import Issued, digest, issue, issue_first, listing, new_token, revoke
from tests.support.damage import cut, restore

META = Metadata(actor="operator", actor_name="ada", reason="a new colleague")


@pytest.fixture
def log(database: Database) -> Iterator[Log]:
    with Log(database.conninfo("app")) as log:
        yield log


# ── Shape ───────────────────────────────────────────────────────────────────────────────────────


def test_tokens_are_long_and_never_the_same() -> None:
    made = {new_token() for _ in range(100)}
    assert len(made) == 100
    assert {len(token) for token in made} == {54}
    assert len({digest(token) for token in made}) == 100


@given(place=st.integers(0, 53), letter=st.sampled_from("aB3_-. é"))
def test_a_mistyped_token_is_none(place: int, letter: str) -> None:
    token = "lgr_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8_4O7WPJ"
    changed = token[:place] + letter + token[place + 1 :]
    assert digest(changed) is None or changed == token


@pytest.mark.parametrize("text", ["", "lgr_", "lgr_x_y", "sk_test_1", "\0" * 54, "lgr_" + "é" * 50])
def test_other_text_is_no_token(text: str) -> None:
    assert digest(text) is None


def test_white_space_around_it_is_not_part_of_it() -> None:
    assert digest(new_token() + "\n") is None


# ── What was issued ─────────────────────────────────────────────────────────────────────────────


def test_an_issued_token_is_found_and_its_text_is_not_stored(log: Log) -> None:
    made = issue(log, Role.OPS, "Warehouse", META)
    known = Issued(log)
    token_sha256 = digest(made.token)
    assert token_sha256 is not None
    assert known.find(token_sha256) is None
    known.read()
    found = known.find(token_sha256)
    assert found is not None
    assert (found.token_id, found.role, found.name) == (made.token_id, Role.OPS, "Warehouse")
    (recorded,) = log.stream(STREAM)
    assert recorded.meta == META
    with log.recorder.datastore.get_connection() as conn, conn.cursor() as cursor:
        cursor.execute("select state from ledger.stored_events")
        (row,) = cursor.fetchall()
    assert made.token[4:47].encode() not in bytes(row["state"])


def test_the_same_id_with_another_hash_is_another_token(log: Log) -> None:
    made = issue(log, Role.OPS, "Warehouse", META)
    known = Issued(log)
    known.read()
    assert known.find(made.token_id + "0" * 52) is None


def test_a_revoked_token_is_known_as_such(log: Log) -> None:
    made = issue(log, Role.OPS, "Warehouse", META)
    known = Issued(log)
    known.read()
    assert revoke(log, made.token_id, META) == 2
    assert revoke(log, made.token_id, META) is None
    known.read()
    token = known.find(digest(made.token) or "")
    assert token is not None
    assert token.invalid_because(datetime.now(UTC)) == "revoked"
    with pytest.raises(UnknownToken):
        revoke(log, "0" * 12, META)


def test_administrators_at_the_same_time_all_succeed(log: Log) -> None:
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda n: issue(log, Role.OPS, f"n{n}", META), range(8)))
    assert [r.version for r in log.stream(STREAM)] == list(range(1, 9))
    assert {line.token_id for line in listing(log)} == {token.token_id for token in made}


def test_the_list_says_who_issued_what_and_what_is_over(log: Log) -> None:
    issue(log, Role.ADMIN, "Ada", META)
    gone = issue(log, Role.CUSTOMER, "Ann", META, customer_id="c1", lifetime=timedelta(days=1))
    over = issue(log, Role.OPS, "Omar", META, lifetime=timedelta(microseconds=1))
    revoke(log, gone.token_id, Metadata(actor="operator", reason="phone was lost"))
    lines = listing(log)
    assert [(line.name, line.state) for line in lines] == [
        ("Ada", "valid"),
        ("Ann", "revoked"),
        ("Omar", "expired"),
    ]
    assert {line.issued_by for line in lines} == {"ada"}
    assert (lines[1].customer_id, lines[1].revoked_because) == ("c1", "phone was lost")
    assert lines[1].revoked_at is not None
    assert lines[2].expires_at == over.expires_at


def _forget(_: str) -> None:
    pass


def test_a_first_token_is_written_down_before_it_is_issued(log: Log) -> None:
    written: list[tuple[str, int]] = []
    made = issue_first(
        log, Role.ADMIN, "Ada", META, keep=lambda token: written.append((token, log.head()))
    )
    assert made is not None
    assert written == [(made.token, 0)]
    assert [line.token_id for line in listing(log)] == [made.token_id]


def test_there_is_one_first_token_however_many_want_to_make_it(log: Log) -> None:
    with ThreadPoolExecutor(4) as pool:
        made = list(
            pool.map(lambda _: issue_first(log, Role.ADMIN, "Ada", META, keep=_forget), range(8))
        )
    assert sum(each is not None for each in made) == 1
    assert len(listing(log)) == 1


def test_after_one_that_was_revoked_there_is_no_first_token_any_more(log: Log) -> None:
    revoke(log, issue(log, Role.OPS, "Omar", META).token_id, META)
    assert issue_first(log, Role.ADMIN, "Ada", META, keep=_forget) is None


def test_a_refused_issue_stores_nothing(log: Log) -> None:
    with pytest.raises(InvalidCommand):
        issue(log, Role.CUSTOMER, "Ann", META)
    assert log.head() == 0


# ── A log that is not the one that was known ────────────────────────────────────────────────────


@pytest.mark.parametrize("go_back", [cut, restore])
def test_a_token_issued_after_the_backup_opens_nothing_once_that_is_restored(
    log: Log, database: Database, go_back: Callable[[Database, int], None]
) -> None:
    kept = issue(log, Role.ADMIN, "Ada", META)
    backup = log.head()
    lost = issue(log, Role.OPS, "Warehouse", META)
    revoke(log, kept.token_id, META)
    known = Issued(log)
    known.read()
    go_back(database, backup)
    known.read()
    assert known.find(digest(lost.token) or "") is None
    found = known.find(digest(kept.token) or "")
    assert found is not None
    assert found.invalid_because(datetime.now(UTC)) is None
    again = issue(log, Role.OPS, "Warehouse", META)
    known.read()
    assert known.find(digest(again.token) or "") is not None


def test_what_could_not_be_read_again_is_read_again_later(
    log: Log, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until then nobody is let in by what was known: the read fails for who asks."""
    issue(log, Role.ADMIN, "Ada", META)
    backup = log.head()
    lost = issue(log, Role.OPS, "Warehouse", META)
    known = Issued(log)
    known.read()
    before = time.monotonic()
    restore(database, backup)
    with monkeypatch.context() as away:
        away.setattr(log, "streams", lambda _: no_store())
        with pytest.raises(StoreUnavailable):
            known.read()
        assert not known.read_since(before)
    known.read()
    assert known.find(digest(lost.token) or "") is None


def no_store() -> NoReturn:
    raise StoreUnavailable
