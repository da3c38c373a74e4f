"""The settings: what .env.example lists, read from the environment and `.env`, and checked."""

import logging
import os
import re
from base64 import b64decode
from datetime import timedelta
from difflib import get_close_matches
from io import StringIO
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import psycopg
from dotenv.parser import Binding, parse_stream
from psycopg.conninfo import conninfo_to_dict
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    NoDecode,
    SettingsConfigDict,
)

from ledger.domain.alerts import ALERT_RULES, AlertRule
from ledger.domain.events import Severity
from ledger.domain.limits import (
    EMAIL_PATTERN,
    ENGINE_PATTERN,
    HOST_NAME_PATTERN,
    HOST_PATTERN,
    MAX_LINE_UNITS,
    METADATA_KEY_PATTERN,
)
from ledger.domain.order_commands import Rules
from ledger.domain.purchase import PurchaseKind
from ledger.errors import SettingsError
from ledger.waits import Limits
from ledger.wrong_values import in_words


def _postgres_address(value: SecretStr) -> SecretStr:
    try:
        conninfo_to_dict(value.get_secret_value())
    except psycopg.ProgrammingError:
        # libpq's own message quotes the address, and with it the password.
        raise ValueError("is no address like postgresql://user:password@host:5432/name") from None
    return value


def _split(value: object) -> object:
    if not isinstance(value, str):
        return value
    return [part for part in map(str.strip, value.split(",")) if part]


def _signing_secret(value: SecretStr) -> SecretStr:
    if not value.get_secret_value().startswith("whsec_"):
        raise ValueError("every signing secret begins with whsec_; Stripe shows it at the endpoint")
    return value


PLAIN: Final = re.compile(r"[!-~]+")


def _is_safe(value: str) -> bool:
    """Whether it is an address by TLS, or of this machine."""
    address = urlsplit(value)
    host = address.hostname or ""
    return bool(host) and (
        address.scheme == "https" or (address.scheme == "http" and is_loopback(host))
    )


def _target(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not _is_safe(text):
        raise ValueError("must begin with https:// (http:// only to this machine)")
    if not _is_plain(text):
        raise ValueError("must have a port that there is, and no blanks: write %20, %C3%BC, …")
    if "@" in urlsplit(text).netloc:
        raise ValueError("must have no user and password before the host: they would not be sent")
    return value


def _is_plain(address: str) -> bool:
    """Whether an address can be called as it is written."""
    try:
        return urlsplit(address).port != 0 and bool(PLAIN.fullmatch(address))
    except ValueError:
        return False


def _smtp(value: SecretStr) -> SecretStr:
    try:
        address = urlsplit(value.get_secret_value())
        good = address.scheme in {"smtp", "smtps"} and address.hostname
    except ValueError:
        good = False
    if not (good and _is_plain(value.get_secret_value())):
        raise ValueError("is no address like smtp://user:password@mail.example.com:587")
    return value


def _webhook_secret(value: SecretStr) -> SecretStr:
    begin, _, encoded = value.get_secret_value().partition("_")
    try:
        length = len(b64decode(encoded, validate=True))
    except ValueError:
        length = 0
    if begin != "whsec" or not 24 <= length <= 64:
        raise ValueError("must be whsec_ and then the base64 of 24 to 64 random bytes")
    return value


Email = Annotated[str, Field(pattern=EMAIL_PATTERN, max_length=254)]
HostName = Annotated[str, Field(pattern=HOST_NAME_PATTERN, max_length=253)]


def is_loopback(host: str) -> bool:
    """Whether this is an address of this machine that no other machine can reach."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _api_base(value: str) -> str:
    if not _is_safe(value):
        raise ValueError("must begin with https:// (http:// only to this machine)")
    return value.rstrip("/")


PENDING_PAYMENT_DAYS = 21
"""A card's hold lapses after 7 days; a bank debit's end is told within 14 business days (SEPA).
https://docs.stripe.com/payments/place-a-hold-on-a-payment-method
https://docs.stripe.com/payments/sepa-debit
"""
PENDING_PAYMENT = timedelta(days=PENDING_PAYMENT_DAYS)
REFUND_REQUEST_DAYS = 3
REFUND_REQUEST = timedelta(days=REFUND_REQUEST_DAYS)


FILE: Final = ".env"
logging.getLogger("dotenv.main").disabled = True  # `no_settings` says it, beside what else is wrong


class Settings(BaseSettings):
    """What may differ between installations; a variable that is empty has its default."""

    model_config = SettingsConfigDict(
        env_file=FILE,
        env_ignore_empty=True,
        extra="ignore",  # .env holds compose's POSTGRES_PASSWORD too
        frozen=True,
        hide_input_in_errors=True,
    )

    database_url: Annotated[SecretStr, AfterValidator(_postgres_address)] | None = None
    ledger_own_logins: bool = False
    ledger_home: Path = Path(".ledger")
    ledger_mode: Literal["test", "live"] = "test"
    stripe_webhook_secrets: Annotated[
        tuple[Annotated[SecretStr, AfterValidator(_signing_secret)], ...],
        NoDecode,
        BeforeValidator(_split),
    ] = ()
    stripe_retired_webhook_secrets: Annotated[
        tuple[Annotated[SecretStr, AfterValidator(_signing_secret)], ...],
        NoDecode,
        BeforeValidator(_split),
    ] = ()
    stripe_api_key: SecretStr | None = None
    stripe_api_base: Annotated[str, AfterValidator(_api_base)] = "https://api.stripe.com"
    stripe_calls_per_second: float = Field(default=20, gt=0, le=10_000)
    ledger_host: str = Field(default="127.0.0.1", pattern=HOST_PATTERN, max_length=253)
    ledger_hosts: Annotated[tuple[HostName, ...], NoDecode, BeforeValidator(_split)] = ()
    ledger_port: int = Field(default=8420, ge=1, le=65535)
    ledger_order_metadata_key: str = Field(default="order_id", pattern=METADATA_KEY_PATTERN)
    ledger_analysts_see_orders: bool = False
    ledger_orders_from: Annotated[tuple[PurchaseKind, ...], NoDecode, BeforeValidator(_split)] = ()
    ledger_reservation_minutes: int = Field(default=30, ge=1, le=365 * 24 * 60)
    ledger_max_units_per_line: int = Field(default=50, ge=1, le=MAX_LINE_UNITS)
    ledger_listed_prices_only: bool = True
    ledger_repeated_skus: bool = False
    ledger_pending_payment_days: int = Field(default=PENDING_PAYMENT_DAYS, ge=1, le=365)
    ledger_refund_request_days: int = Field(default=REFUND_REQUEST_DAYS, ge=1, le=365)
    ledger_carry_out_refunds: bool = False
    ledger_checks_minutes: int = Field(default=15, ge=1, le=24 * 60)
    ledger_refresh_minutes: int = Field(default=15, ge=1, le=24 * 60)
    ledger_snapshot_minutes: int = Field(default=60, ge=1, le=24 * 60)
    ledger_proof_hours: int = Field(default=24, ge=1, le=31 * 24)
    ledger_expire_seconds: int = Field(default=30, ge=1, le=24 * 60 * 60)
    ledger_write_seconds: float = Field(default=5, ge=1, le=60)
    ledger_read_seconds: float = Field(default=15, ge=1, le=600)
    ledger_archive: str | None = None
    ledger_archive_segment_events: int = Field(default=250_000, ge=1_000, le=1_000_000)
    ledger_engine: str = Field(default="processes", pattern=ENGINE_PATTERN, max_length=300)
    ledger_alerts_rules: Annotated[tuple[AlertRule, ...], NoDecode, BeforeValidator(_split)] = (
        ALERT_RULES
    )
    ledger_alerts_severity: Severity = "high"
    ledger_alerts_dispute_days: int = Field(default=3, ge=1, le=30)
    ledger_alerts_lag_seconds: int = Field(default=60, ge=5, le=24 * 60 * 60)
    ledger_alerts_smtp: Annotated[SecretStr, AfterValidator(_smtp)] | None = None
    ledger_alerts_email_from: Email | None = None
    ledger_alerts_email_to: Annotated[tuple[Email, ...], NoDecode, BeforeValidator(_split)] = Field(
        default=(), validate_default=True
    )
    ledger_alerts_slack: Annotated[SecretStr, AfterValidator(_target)] | None = None
    ledger_alerts_webhook: Annotated[SecretStr, AfterValidator(_target)] | None = None
    ledger_alerts_webhook_secret: Annotated[SecretStr, AfterValidator(_webhook_secret)] | None = (
        Field(default=None, validate_default=True)
    )
    ledger_time_zone: ZoneInfo = ZoneInfo("UTC")
    ledger_log_level: Literal["debug", "info", "warning", "error"] = "info"

    @field_validator("stripe_api_key")
    @classmethod
    def _is_of_this_mode(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        """Stripe's keys name their mode, https://docs.stripe.com/keys: `rk_live_…`."""
        key = "" if value is None else value.get_secret_value()
        mode = key.partition("_")[2].partition("_")[0]
        ours = info.data.get("ledger_mode", mode)
        if mode in {"test", "live"} and mode != ours:
            raise ValueError(f"is a key of {mode} mode, and LEDGER_MODE is {ours}")
        return value

    @field_validator("ledger_alerts_email_to")
    @classmethod
    def _has_post(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        """Mail needs a server, who it is from, and whom it is to."""
        given = [
            info.data.get("ledger_alerts_smtp"), info.data.get("ledger_alerts_email_from"), value
        ]  # fmt: skip
        if any(given) and not all(given):
            raise ValueError(
                "alerts by mail need all of LEDGER_ALERTS_SMTP, LEDGER_ALERTS_EMAIL_FROM and this"
            )
        return value

    @field_validator("ledger_alerts_webhook_secret")
    @classmethod
    def _has_secret(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        """No webhook goes out unsigned."""
        if value is None and info.data.get("ledger_alerts_webhook") is not None:
            raise ValueError("LEDGER_ALERTS_WEBHOOK needs a secret to sign with, whsec_…")
        return value

    @property
    def limits(self) -> Limits:
        """How long a caller waits for the database."""
        return Limits(self.ledger_write_seconds, self.ledger_read_seconds)

    @property
    def rules(self) -> Rules:
        """What the shop allows in an order's lines."""
        return Rules(
            max_units_per_line=self.ledger_max_units_per_line,
            listed_prices_only=self.ledger_listed_prices_only,
            repeated_skus=self.ledger_repeated_skus,
        )


def misspelt() -> dict[str, str | None]:
    """Variables of the environment and .env that look like a setting and are none.

    All that begin with `LEDGER_`, and those of `STRIPE_` that are nearly one: the setting that is
    nearest, if one is near.
    """
    known = [name.upper() for name in Settings.model_fields]
    try:
        in_file = DotEnvSettingsSource(Settings).env_vars
    except UnicodeDecodeError:
        return {}  # `load` says so
    given = {name.upper() for name in (*os.environ, *in_file)} - set(known)
    found = {name: next(iter(get_close_matches(name, known, 1, 0.8)), None) for name in given}
    return {
        name: near
        for name, near in sorted(found.items())
        if name.startswith("LEDGER_") or (near is not None and name.startswith("STRIPE_"))
    }


def unread_lines() -> list[int]:
    """The lines of .env that say nothing, counted from 1: neither `NAME=value` nor a comment."""
    try:
        text = Path(FILE).read_text("utf-8") if Path(FILE).is_file() else ""
    except UnicodeDecodeError:
        return []  # `load` says so
    found = parse_stream(StringIO(text, newline=""))
    return [_line(each) for each in found if each.error or (each.key and each.value is None)]


def _line(statement: Binding) -> int:
    """Where it begins; the parser counts from the empty lines before it on."""
    text = statement.original.string
    before = text[: len(text) - len(text.lstrip())]
    return statement.original.line + len(re.findall(r"\r\n|\n|\r", before))


def no_settings() -> list[str]:
    """What was given as a setting and is none, in words and without a value; each with the cure."""
    names = [
        f"{name} is no setting" + (f"; is it {near}?" if near else "; .env.example lists all.")
        for name, near in misspelt().items()
    ]
    lines = [
        f"line {line} of {FILE} is no setting, and says nothing: write NAME=value, or # before it."
        for line in unread_lines()
    ]
    return names + lines


def load() -> Settings:
    """Read the settings; `SettingsError` names each wrong variable and the cure, not its value."""
    try:
        return Settings()
    except UnicodeDecodeError as error:
        raise SettingsError(
            f".env is not UTF-8: byte {error.start + 1} cannot be read. Save it as UTF-8."
        ) from None
    except ValidationError as error:
        raise SettingsError(_explain(error)) from None  # the cause's details hold the values


def _explain(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_input=False)
    lines = [f"{str(each['loc'][0]).upper()}: {in_words(each)}" for each in found]
    return "\n".join([*lines, "Correct it in the environment or .env; .env.example explains it."])
