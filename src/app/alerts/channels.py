"""The channels of alerts: mail, a chat's incoming webhook, and webhooks that are signed.

Each sends one alert at a time within `SECONDS`, follows no redirect, and tries nothing again: that
is done by who keeps the record (`app.alerts.deliver`).
"""

from __future__ import annotations

import hmac
import smtplib
import socket
import ssl
from base64 import b64decode, b64encode
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from threading import Timer
from typing import Final, Protocol
from urllib.parse import SplitResult, unquote, urlsplit

import msgspec
from pydantic import SecretStr

from ledger.domain.alerts import Alert
from ledger.domain.text import visible
from ledger.settings import Settings, is_loopback
from ledger.version import version

SECONDS: Final = 10.0
GONE: Final = 410
"""By the Standard Webhooks specification, that nothing more is wanted there."""


class NotSent(Exception):
    """An alert did not go out; its text is why, in one word that may be kept: `http_503`.

    It is tried `again`, unless that would be of no use.
    """

    def __init__(self, cause: str, *, again: bool = True) -> None:
        super().__init__(cause)
        self.again = again


class Channel(Protocol):
    """One way out. `target` says where to, without a secret."""

    name: str
    target: str

    def send(self, alert: Alert, alert_id: str, at: datetime) -> None:
        """Send an alert; `alert_id` is the same at every attempt. Raises `NotSent`."""
        ...


class Mail:
    """Mail by SMTP, with TLS unless the server is on this machine."""

    name = "email"

    def __init__(self, server: SecretStr, sender: str, receivers: tuple[str, ...]) -> None:
        self._server = server
        self._sender = sender
        self._receivers = receivers
        self.target = f"{len(receivers)} by {urlsplit(server.get_secret_value()).hostname}"

    def send(self, alert: Alert, alert_id: str, at: datetime) -> None:
        """Send it to all receivers in one message; those who got it are not written to again."""
        message = EmailMessage()
        title = visible(alert.title)
        message["Subject"] = f"Ledger: {title}"
        message["From"], message["To"] = self._sender, ", ".join(self._receivers)
        message["Date"], message["Message-ID"] = format_datetime(at), f"<{alert_id}@ledger>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(f"{title}\n\nIn the API: GET {alert.path}\nRule: {alert.rule}\n")
        address = urlsplit(self._server.get_secret_value())
        with _told(), self._open(address) as server:
            try:
                refused = server.send_message(message)
            except smtplib.SMTPNotSupportedError:
                raise NotSent("smtp_without_utf8") from None
            if refused:
                raise NotSent(f"smtp_{next(iter(refused.values()))[0]}_for_some", again=False)

    @contextmanager
    def _open(self, address: SplitResult) -> Generator[smtplib.SMTP]:
        host, port = address.hostname or "", address.port or 0
        tls = ssl.create_default_context()
        if address.scheme == "smtps":
            made = smtplib.SMTP_SSL(host, port or 465, timeout=SECONDS, context=tls)
        else:
            made = smtplib.SMTP(host, port or 587, timeout=SECONDS)
        with made as server, _ending(lambda: server.sock):
            if address.scheme == "smtp" and not is_loopback(host):
                server.starttls(context=tls)
            if address.username is not None:
                server.login(unquote(address.username), unquote(address.password or ""))
            yield server


class Chat:
    """A chat's incoming webhook: Slack's, or another one that takes the same."""

    name = "slack"

    def __init__(self, url: SecretStr) -> None:
        self._url = url
        self.target = _host(url)

    def send(self, alert: Alert, alert_id: str, at: datetime) -> None:  # noqa: ARG002 - a channel's
        """Send one line of text."""
        text = visible(alert.title).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        _post(self._url, msgspec.json.encode({"text": f"Ledger: {text} ({alert.path})"}), {})


class Webhook:
    """A program's address, signed: https://www.standardwebhooks.com."""

    name = "webhook"

    def __init__(self, url: SecretStr, secret: SecretStr) -> None:
        self._url = url
        self._key = b64decode(secret.get_secret_value().removeprefix("whsec_"))
        self.target = _host(url)

    def send(self, alert: Alert, alert_id: str, at: datetime) -> None:
        """Send it as JSON: `type`, `timestamp` and `data`."""
        data = {
            "rule": alert.rule,
            "subject": alert.subject,
            "severity": alert.severity,
            "title": alert.title,
            "path": alert.path,
        }
        body = msgspec.json.encode({"type": f"alert.{alert.rule}", "timestamp": at, "data": data})
        timestamp = str(int(at.timestamp()))
        signed = b".".join((alert_id.encode(), timestamp.encode(), body))
        signature = b64encode(hmac.digest(self._key, signed, "sha256")).decode()
        _post(
            self._url,
            body,
            {
                "webhook-id": alert_id,
                "webhook-timestamp": timestamp,
                "webhook-signature": f"v1,{signature}",
            },
        )


CHANNELS: Final = (Mail, Chat, Webhook)
"""The kinds of channel, each by its `name`."""


def channels_of(settings: Settings) -> list[Channel]:
    """The channels that the settings name."""
    return [*_channels(settings)]


def _channels(settings: Settings) -> Iterator[Channel]:
    server, sender = settings.ledger_alerts_smtp, settings.ledger_alerts_email_from
    if server is not None and sender is not None:
        yield Mail(server, sender, settings.ledger_alerts_email_to)
    if settings.ledger_alerts_slack is not None:
        yield Chat(settings.ledger_alerts_slack)
    url, secret = settings.ledger_alerts_webhook, settings.ledger_alerts_webhook_secret
    if url is not None and secret is not None:
        yield Webhook(url, secret)


def _host(url: SecretStr) -> str:
    return urlsplit(url.get_secret_value()).hostname or ""


def _post(url: SecretStr, body: bytes, headers: dict[str, str]) -> None:
    """Post JSON; only an answer of 2xx is good."""
    address = urlsplit(url.get_secret_value())
    host, port = address.hostname or "", address.port
    path = f"{address.path or '/'}{f'?{address.query}' if address.query else ''}"
    if address.scheme == "https":
        tls = ssl.create_default_context()
        conn = HTTPSConnection(host, port, timeout=SECONDS, context=tls)
    else:
        conn = HTTPConnection(host, port, timeout=SECONDS)
    sent = {"content-type": "application/json", "user-agent": f"ledger/{version()}", **headers}
    with _told(), _ending(lambda: conn.sock):
        try:
            conn.request("POST", path, body, sent)
            status = conn.getresponse().status
        finally:
            conn.close()
    if not 200 <= status < 300:
        raise NotSent(f"http_{status}", again=status != GONE)


class _Opened(Protocol):
    def __call__(self) -> socket.socket | None: ...


@contextmanager
def _ending(opened: _Opened) -> Generator[None]:
    """End the connection after `SECONDS`, however slowly it goes on; that is a `TimeoutError`."""
    over: list[bool] = []

    def end() -> None:
        over.append(True)
        if (found := opened()) is not None:
            found.shutdown(socket.SHUT_RDWR)

    timer = Timer(SECONDS, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (OSError, HTTPException):
        if over:
            raise TimeoutError from None
        raise
    finally:
        timer.cancel()


@contextmanager
def _told() -> Generator[None]:
    """Say in one word why it did not go out; the texts of errors may hold what must stay hidden."""
    try:
        yield
    except TimeoutError:
        raise NotSent("timeout") from None
    except smtplib.SMTPRecipientsRefused as error:
        raise NotSent(f"smtp_{next(iter(error.recipients.values()))[0]}") from None
    except smtplib.SMTPResponseException as error:
        raise NotSent(f"smtp_{error.smtp_code}") from None
    except smtplib.SMTPNotSupportedError:
        raise NotSent("smtp_without_tls_or_login") from None
    except ssl.SSLError:
        raise NotSent("tls") from None
    except socket.gaierror:
        raise NotSent("unknown_host") from None
    except ConnectionRefusedError:
        raise NotSent("connection_refused") from None
    except (OSError, HTTPException):
        raise NotSent("no_answer") from None
    except ValueError:  # a host or a password with letters that the protocol does not know
        raise NotSent("wrong_setting") from None
