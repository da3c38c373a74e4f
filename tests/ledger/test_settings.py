"""Settings: .env.example lists them all with their defaults, and a wrong one is named."""

import re
from pathlib import Path

import pytest

from ledger.errors import SettingsError
from ledger.settings import Settings, load, misspelt, no_settings, unread_lines

EXAMPLE = Path(__file__).parents[2] / ".env.example"
OF_COMPOSE = {"POSTGRES_PASSWORD"}


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


def example() -> dict[str, str]:
    return dict(re.findall(r"^([A-Z_]+)=(.*)$", EXAMPLE.read_text(), re.MULTILINE))


def test_the_example_lists_every_setting_and_nothing_else() -> None:
    assert example().keys() - OF_COMPOSE == {name.upper() for name in Settings.model_fields}


def test_the_example_shows_the_defaults(tmp_path: Path) -> None:
    defaults = load()
    (tmp_path / ".env").write_text(EXAMPLE.read_text())
    assert load() == defaults
    for name, value in defaults:
        assert (example()[name.upper()] == "") == (value in (None, (), "")), name


def test_the_example_explains_every_setting() -> None:
    explained = re.findall(r"^# .+\n([A-Z_]+)=", EXAMPLE.read_text(), re.MULTILINE)
    assert set(explained) == example().keys()


def test_a_file_that_is_not_utf_8_is_refused_with_the_place(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"LEDGER_PORT=8421\n# \xff\n")
    assert misspelt() == {}
    with pytest.raises(SettingsError, match="byte 20 cannot be read"):
        load()


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("LEDGER_PORT=8421\n# a word\n\nexport LEDGER_MODE=live\nPOSTGRES_PASSWORD=\n", []),
        ("FOO whsec_1", [1]),
        ("LEDGER_PORT=1\n\n\n  FOO BAR\r\n\r\nLEDGER_MODE live\rLEDGER_HOST=::1\n", [4, 6]),
        ("# first\nLEDGER_MODE\n", [2]),
        ("=live\n'LEDGER_MODE' 'live'\n", [1, 2]),
        ('LEDGER_HOST="unended\nLEDGER_PORT=8421\n', [1]),
    ],
)
def test_lines_that_are_no_settings_are_named_without_what_they_say(
    tmp_path: Path, text: str, lines: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / ".env").write_text(text, newline="")
    assert unread_lines() == lines
    load()
    told = no_settings()
    assert [re.findall(r"line (\d+) of .env is no setting", each) for each in told] == [
        [str(line)] for line in lines
    ]
    assert not caplog.records, "the library's own words would come on top"
    assert "whsec_1" not in "".join(told)


def test_without_a_file_no_line_is_wrong() -> None:
    assert unread_lines() == []


def test_the_environment_goes_before_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("LEDGER_PORT=1111\nLEDGER_MODE=live\nPOSTGRES_PASSWORD=x\n")
    monkeypatch.setenv("LEDGER_PORT", "2222")
    settings = load()
    assert (settings.ledger_port, settings.ledger_mode) == (2222, "live")


def test_secrets_are_split_at_commas_and_shown_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRETS", "whsec_old, whsec_new,")
    monkeypatch.setenv("STRIPE_API_KEY", "rk_test_hidden")
    monkeypatch.setenv("DATABASE_URL", "postgresql://shop:hunter2@db/ledger")
    settings = load()
    secrets = [secret.get_secret_value() for secret in settings.stripe_webhook_secrets]
    assert secrets == ["whsec_old", "whsec_new"]
    assert not re.search("whsec_|hidden|hunter2", repr(settings))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LEDGER_HOST", "::1"),
        ("LEDGER_HOST", "localhost"),
        ("LEDGER_HOST", "192.0.2.1"),
        ("LEDGER_HOSTS", "shop.example.com, [::1], 192.0.2.1"),
        ("LEDGER_PORT", "65535"),
        ("LEDGER_ENGINE", "processes"),
        ("LEDGER_ENGINE", "ray://[::1]:10001"),
        ("LEDGER_TIME_ZONE", "Europe/Zurich"),
        ("STRIPE_API_BASE", "http://127.0.0.1:9000/"),
        ("STRIPE_API_BASE", "http://[::1]:9000"),
        ("DATABASE_URL", "host=db user=shop"),
    ],
)
def test_accepted(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    load()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "postgresql://shop:hunter2@db:5432/ledger?no_such_option=hunter2"),
        ("LEDGER_MODE", "production"),
        ("STRIPE_WEBHOOK_SECRETS", "whsec_right,hunter2"),
        ("STRIPE_API_BASE", "http://api.example.com"),
        ("STRIPE_API_BASE", "https://"),
        ("LEDGER_HOST", "http://127.0.0.1"),
        ("LEDGER_HOSTS", "shop.example.com, https://shop.example.com"),
        ("LEDGER_PORT", "0"),
        ("LEDGER_PORT", "65536"),
        ("LEDGER_PORT", "http"),
        ("LEDGER_ORDER_METADATA_KEY", "order[id]"),
        ("LEDGER_ORDER_METADATA_KEY", "k" * 41),
        ("LEDGER_RESERVATION_MINUTES", "0"),
        ("LEDGER_RESERVATION_MINUTES", "1.5"),
        ("LEDGER_MAX_UNITS_PER_LINE", "0"),
        ("LEDGER_MAX_UNITS_PER_LINE", "1000001"),
        ("LEDGER_LISTED_PRICES_ONLY", "sometimes"),
        ("LEDGER_TIME_ZONE", "Mars/Olympus"),
        ("LEDGER_TIME_ZONE", "../etc/passwd"),
        ("LEDGER_LOG_LEVEL", "loud"),
    ],
)
def test_refused_by_name_without_the_value_of_a_secret(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load()
    assert str(caught.value).startswith(f"{name}: ")
    assert ".env" in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_all_that_is_wrong_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEDGER_PORT", "0")
    monkeypatch.setenv("LEDGER_MODE", "both")
    with pytest.raises(SettingsError, match=r"LEDGER_MODE: .*\n(.*\n)*LEDGER_PORT: "):
        load()


def test_what_is_nearly_a_setting_is_named_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert misspelt() == {}
    (tmp_path / ".env").write_text("LEDGER_MDOE=live\nLEDGER_MODE=test\nPOSTGRES_PASSWORD=p\n")
    monkeypatch.setenv("LEDGER_PROT", "8")
    monkeypatch.setenv("LEDGER_COLOUR_OF_DOORS", "red")
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRET", "whsec_1")
    monkeypatch.setenv("STRIPE_DEVICE_NAME", "till")  # Stripe's own command line has it
    assert misspelt() == {
        "LEDGER_COLOUR_OF_DOORS": None,
        "LEDGER_MDOE": "LEDGER_MODE",
        "LEDGER_PROT": "LEDGER_PORT",
        "STRIPE_WEBHOOK_SECRET": "STRIPE_WEBHOOK_SECRETS",
    }
