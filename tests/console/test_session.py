"""Sessions of the console: begun by a token and a form of ours, ended for every process."""

from collections.abc import Callable, Iterator
from contextlib import closing
from urllib.parse import urlencode

import psycopg
import pytest
from httpx2 import Response
from pydantic import SecretStr
from starlette.testclient import TestClient

from app.asgi import create_app
from console.session import COOKIE, HOST_COOKIE
from ledger.domain.access import Role
from ledger.domain.events import Metadata
from ledger.log import Log
from ledger.postgres.database import Database
from ledger.settings import Settings
from ledger.tokens import issue
from tests.console.service import hidden

HERE = "http://127.0.0.1"
SHOP = "https://shop.example.com"
SIGN_IN, SIGN_OUT, PAGE = "/console/sign-in", "/console/sign-out", "/console"
OURS = {"sec-fetch-site": "same-origin"}

Open = Callable[..., TestClient]


@pytest.fixture
def token(database: Database) -> str:
    with closing(Log(database.conninfo("app"))) as log:
        return issue(log, Role.ADMIN, "Ada", Metadata()).token


@pytest.fixture
def opened(database: Database) -> Iterator[Open]:
    """Starts a process that serves, and gives a browser without a cookie."""
    settings = Settings(
        _env_file=None,  # pyright: ignore[reportCallIssue] - pydantic-settings' own argument
        database_url=SecretStr(database.admin_conninfo),
        ledger_hosts=("shop.example.com",),
    )
    clients: list[TestClient] = []

    def start(url: str = HERE) -> TestClient:
        client = TestClient(create_app(settings, database), base_url=url, follow_redirects=False)
        clients.append(client.__enter__())
        return client

    yield start
    for client in clients:
        client.__exit__()


def sign_in(browser: TestClient, token: str, **headers: str) -> Response:
    form = hidden(browser.get(SIGN_IN)) | {"token": token}
    sent = {name.replace("_", "-"): value for name, value in (headers or OURS).items()}
    return browser.post(SIGN_IN, data=form, headers=sent)


def sign_out(browser: TestClient, **headers: str) -> Response:
    sent = {name.replace("_", "-"): value for name, value in (headers or OURS).items()}
    return browser.post(SIGN_OUT, data=hidden(browser.get(PAGE)), headers=sent)


def is_signed_in(browser: TestClient, cookie: str | None = None) -> bool:
    answer = browser.get(PAGE, headers={"cookie": cookie} if cookie else {})
    assert answer.status_code in {200, 303}, answer.text
    return answer.status_code == 200


def cookie_of(browser: TestClient, name: str = COOKIE) -> str:
    return f"{name}={browser.cookies[name]}"


def test_who_signed_out_is_signed_out_everywhere(opened: Open, token: str) -> None:
    """In the process that was told, in another one, and after a restart."""
    browser, elsewhere = opened(), opened()
    assert sign_in(browser, token).status_code == 303
    stolen = cookie_of(browser)
    assert is_signed_in(browser)
    assert is_signed_in(elsewhere, stolen), "one process knows the sessions of another"
    assert is_signed_in(opened(), stolen), "and sessions survive a restart"
    assert sign_out(browser).status_code == 303
    assert COOKIE not in browser.cookies
    for process in (browser, elsewhere, opened()):
        assert not is_signed_in(process, stolen)


def test_each_session_ends_for_itself(opened: Open, token: str) -> None:
    console, phone = opened(), opened()
    for each in (console, phone):
        sign_in(each, token)
    sign_out(console)
    assert not is_signed_in(console)
    assert is_signed_in(phone)


def test_who_signs_in_again_has_one_session(opened: Open, token: str) -> None:
    browser = opened()
    sign_in(browser, token)
    before = cookie_of(browser)
    sign_in(browser, token)
    assert cookie_of(browser) != before
    assert is_signed_in(browser)
    assert not is_signed_in(opened(), before)


def test_a_session_lasts_twelve_hours(opened: Open, token: str, database: Database) -> None:
    browser = opened()
    sign_in(browser, token)
    with database.connect("owner", autocommit=True) as conn:
        conn.execute("update ledger.sessions set expires_at = expires_at - interval '11.99 hours'")
        assert is_signed_in(browser)
        conn.execute("update ledger.sessions set expires_at = expires_at - interval '1 minute'")
    assert not is_signed_in(browser)
    sign_in(browser, token)
    with database.connect("owner") as conn:
        assert conn.execute("select from ledger.sessions").rowcount == 1, "what is over goes"


def test_the_database_keeps_no_secret(opened: Open, token: str, database: Database) -> None:
    browser = opened()
    sign_in(browser, token)
    with database.connect("owner") as conn:
        (row,) = conn.execute("select s::text from ledger.sessions as s").fetchall()
    assert browser.cookies[COOKIE] not in row[0]
    assert token not in row[0]
    for role in ("reader", "projector"):
        with database.connect(role) as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute("select from ledger.sessions")


# ── Where a form comes from ─────────────────────────────────────────────────────────────────────


FOREIGN = [
    {"sec_fetch_site": "cross-site"},
    {"sec_fetch_site": "same-site"},
    {"sec_fetch_site": "none"},
    {"sec_fetch_site": "cross-site", "origin": HERE},
    {"origin": "http://evil.example"},
    {"origin": "http://127.0.0.1:9999"},
    {"origin": "http://127.0.0.1.evil.example"},
    {"origin": "null"},
    {"accept": "text/html"},  # says nothing of where it comes from
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_a_form_that_another_site_sends_does_nothing(
    opened: Open, token: str, headers: dict[str, str]
) -> None:
    """Not even with a right proof: neither signing in, nor signing out, nor anything else."""
    browser = opened()
    answer = sign_in(browser, token, **headers)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers
    sign_in(browser, token)
    sign_out(browser, **headers)
    assert is_signed_in(browser)
    proof = hidden(browser.get(PAGE))
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    refused = browser.post("/console/orders/A1/cancel", data=proof, headers=sent)
    assert refused.status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_site": "same-origin"},
        {"origin": HERE},
        {"sec_fetch_site": "same-origin", "origin": "null"},
    ],
    ids=str,
)
def test_a_form_of_ours_is_obeyed(opened: Open, token: str, headers: dict[str, str]) -> None:
    browser = opened()
    assert sign_in(browser, token, **headers).status_code == 303
    assert sign_out(browser, **headers).headers["location"] == SIGN_IN
    assert not is_signed_in(browser)


def test_a_form_in_which_a_field_stands_twice_is_refused_by_its_name(
    opened: Open, token: str
) -> None:
    browser = opened()
    form = hidden(browser.get(SIGN_IN)) | {"token": token}
    twice = urlencode([*form.items(), ("token", token)])
    headers = OURS | {"content-type": "application/x-www-form-urlencoded"}
    answer = browser.post(SIGN_IN, content=twice, headers=headers)
    assert (answer.status_code, "set-cookie" in answer.headers) == (422, False)
    assert "token stands twice in the form" in answer.text


def test_pages_let_the_browser_say_where_their_forms_come_from(opened: Open) -> None:
    """With `no-referrer` it would send `Origin: null` along with our own forms."""
    assert opened().get(SIGN_IN).headers["referrer-policy"] == "same-origin"


# ── Cookies of others ───────────────────────────────────────────────────────────────────────────


PLANTED = [
    f"{COOKIE}=planted",
    f"{COOKIE}={'x' * 43}",
    f"{COOKIE}=",
    f'{COOKIE}="{"y" * 43}"',
    COOKIE,
    f"{COOKIE}=a=b==; {COOKIE}=%00",
    "; ".join(f"{COOKIE}={number:043}" for number in range(100)),
]


@pytest.mark.parametrize("planted", PLANTED)
@pytest.mark.parametrize("comes", ["first", "last"])
def test_planted_cookies_lock_nobody_out(
    opened: Open, token: str, planted: str, comes: str
) -> None:
    """A cookie for a longer path, or of another port of this machine, comes along with ours."""
    browser = opened()
    sign_in(browser, token)
    ours = cookie_of(browser)
    assert is_signed_in(browser, f"{planted}; {ours}" if comes == "first" else f"{ours}; {planted}")


@pytest.mark.parametrize("planted", PLANTED)
def test_who_has_planted_cookies_can_sign_in(opened: Open, token: str, planted: str) -> None:
    browser = opened()
    browser.headers["cookie"] = planted
    answer = sign_in(browser, token)
    assert answer.status_code == 303
    ours = answer.headers["set-cookie"].partition(";")[0]
    assert is_signed_in(browser, f"{planted}; {ours}")


def test_cookies_that_open_nothing_are_taken_back(opened: Open) -> None:
    answer = opened().get(SIGN_IN, headers={"cookie": f"{COOKIE}=planted"})
    assert answer.headers["set-cookie"].startswith(f'{COOKIE}="";')
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert "set-cookie" not in opened().get(SIGN_IN).headers


def test_over_tls_no_other_host_can_set_the_cookie(opened: Open, token: str) -> None:
    """Browsers take `__Host-` only from this host, over TLS, for all paths."""
    browser = opened(SHOP)
    set_cookie = sign_in(browser, token).headers["set-cookie"]
    name, *attributes = (part.strip() for part in set_cookie.split(";"))
    assert name.startswith("__Host-")
    assert {"Secure", "Path=/", "HttpOnly"} <= set(attributes)
    assert not any(each.lower().startswith("domain") for each in attributes)
    value = name.partition("=")[2]
    assert is_signed_in(browser, f"{HOST_COOKIE}={value}")
    assert not is_signed_in(opened(SHOP), f"{COOKIE}={value}"), "that name can be planted"


def test_on_this_machine_the_cookie_needs_no_tls(opened: Open, token: str) -> None:
    """Browsers refuse `Secure` and `__Host-` where there is none."""
    set_cookie = sign_in(opened(), token).headers["set-cookie"]
    assert set_cookie.startswith(f"{COOKIE}=")
    assert "Path=/console" in set_cookie
    assert "secure" not in set_cookie.lower()
