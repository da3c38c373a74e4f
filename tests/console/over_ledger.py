"""The console over a ledger that a test built, and a browser in which anyone signs in."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, LiteralString, NamedTuple

from httpx2 import Response
from psycopg.rows import dict_row
from pydantic import SecretStr
from starlette.testclient import TestClient

from app.asgi import create_app
from ledger.domain.access import Role
from ledger.domain.events import Metadata
from ledger.log import Log
from ledger.postgres.database import Database
from ledger.settings import Settings
from ledger.tokens import issue
from tests.kpi.builder import LedgerBuilder
from tests.support.following import steady_follower
from tests.support.servers import Server


class ConsoleOverLedger(NamedTuple):
    """The browser, and the ledger that its pages are of."""

    browser: TestClient
    builder: LedgerBuilder

    def sign_in(self, role: Role) -> None:
        """Sign in with a new token of a role."""
        token = issue(self.builder.engine.log, role, "Ada", Metadata()).token
        self.browser.cookies.clear()
        csrf = self.csrf(self.browser.get("/console/sign-in").text)
        answer = self.post("/console/sign-in", csrf=csrf, token=token)
        assert answer.status_code == 303, answer.text

    def page(self, path: str, status: int = 200, /, **query: str) -> str:
        """The text of a page."""
        answer = self.browser.get(path, params=query)
        assert answer.status_code == status, answer.text
        return answer.text

    def rows(self, query: LiteralString) -> list[dict[str, Any]]:
        """Rows of the read models."""
        with (
            self.builder.engine.database.connect("reader") as conn,
            conn.cursor(row_factory=dict_row) as cursor,
        ):
            conn.execute("set search_path = read_models")
            return cursor.execute(query).fetchall()

    def post(self, path: str, **fields: str) -> Response:
        """What a form gets, before the browser goes anywhere."""
        sent = {"origin": str(self.browser.base_url).rstrip("/")}
        return self.browser.post(path, data=fields, headers=sent, follow_redirects=False)

    @staticmethod
    def csrf(page: str) -> str:
        """The proof that a form of this page would bring."""
        found = re.search(r'name="csrf" value="([^"]+)"', page)
        assert found, page
        return found[1]


@contextmanager
def console_over(
    server: Server, *deeds: Callable[[LedgerBuilder], object]
) -> Iterator[ConsoleOverLedger]:
    """The console over a ledger in which all of this happened, with no follower beside it."""
    with server.lent() as database, Log(database.conninfo("app")) as log:
        builder = LedgerBuilder(database, log)
        for deed in deeds:
            deed(builder)
        with steady_follower(builder.engine) as builder.follower:
            builder.follow()
            with _browser(database) as browser:
                yield ConsoleOverLedger(browser, builder)


def _browser(database: Database) -> TestClient:
    settings = Settings(
        _env_file=None,  # pyright: ignore[reportCallIssue] - pydantic-settings' own argument
        database_url=SecretStr(database.admin_conninfo),
    )
    app, here = create_app(settings, database), ("127.0.0.1", 50_000)
    return TestClient(app, base_url="http://127.0.0.1", client=here)
