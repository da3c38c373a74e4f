"""docs and bench, verbs of the checkout, and simulate."""

import json
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import IO

import pytest
import stripe
from typer.testing import CliRunner, Result

from app.cli import app, dev


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with one page to generate."""
    (tmp_path / "docs").mkdir()
    monkeypatch.setattr(dev, "_root", lambda folder: tmp_path)
    monkeypatch.setattr(dev, "pages", lambda: {"docs/page.md": lambda: "# Page\n"})
    return tmp_path


def test_a_page_is_written_once(root: Path) -> None:
    assert run("docs").stdout == "written: docs/page.md\n"
    assert (root / "docs/page.md").read_text() == "# Page\n"
    assert run("docs").stdout == "1 pages are fresh\n"


def test_check_writes_nothing_and_exits_1_for_a_stale_page(root: Path) -> None:
    result = run("docs", "--check")
    assert (result.exit_code, result.stdout) == (1, "stale: docs/page.md\n")
    assert not (root / "docs/page.md").exists()
    (root / "docs/page.md").write_text("# Old\n")
    assert run("docs", "--check").exit_code == 1
    run("docs")
    assert run("docs", "--check").exit_code == 0


def test_the_real_pages_can_be_made() -> None:
    heads = {".md": "# ", ".json": "{"}
    for path, page in dev.pages().items():
        assert page().startswith(heads[Path(path).suffix])


def test_without_a_checkout_it_cannot_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    installed = tmp_path / "lib/python/site-packages/app/cli/dev.py"
    monkeypatch.setattr(dev, "__file__", str(installed))
    result = run("bench")
    assert result.exit_code == 3
    assert "clone the repository" in result.stderr


def test_bench_hands_on_what_it_was_asked(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    calls: list[tuple[object, ...]] = []

    def fake(names: list[str], **options: bool) -> int:
        calls.append((names, options))
        return 1

    monkeypatch.setattr(dev.importlib, "import_module", lambda _: SimpleNamespace(run=fake))
    assert run("bench", "rebuild", "--quick", "--json").exit_code == 1
    assert calls == [(["rebuild"], {"json": True, "quick": True, "markdown": False})]


def test_an_invented_shop_is_served_until_sigterm() -> None:
    command = [sys.executable, "-m", "app.cli", "simulate", "--years", "1", "--objects", "600"]
    with subprocess.Popen([*command, "--json"], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            told, _ = json.JSONDecoder().raw_decode(document(process.stdout))
            client = stripe.StripeClient(told["reading_key"], base_addresses={"api": told["url"]})
            read = sum(1 for _ in client.v1.charges.list({"limit": 100}).auto_paging_iter())
            assert read == told["truth"]["objects"]["charge"] > 50
            payments = sum(each["payments"] for each in told["truth"]["total"].values())
            assert 0 < payments <= read
            process.terminate()
            assert process.wait(30) == 0
        finally:
            process.kill()


def document(lines: IO[bytes]) -> str:
    """The one document that is printed; its last line is a brace."""
    text = ""
    for line in lines:
        text += line.decode()
        if line.rstrip() == b"}":
            return text
    raise AssertionError(text)


@pytest.mark.parametrize("currencies", ["", "euro", "eur,", "eur,1ab"])
def test_a_currency_is_three_letters(currencies: str) -> None:
    result = run("simulate", "--currencies", currencies)
    assert result.exit_code == 2
    assert "three letters" in result.stderr


@pytest.mark.parametrize("fault", ["cut", "cut=", "cut=0", "cut=x", "rain=5", "=5"])
def test_a_fault_is_one_that_is_known_and_has_a_number(fault: str) -> None:
    result = run("simulate", "--every", fault)
    assert result.exit_code == 2
    assert "limited=N" in result.stderr


def test_requests_go_wrong_as_the_option_says() -> None:
    plan = dev._plan(["error=2", "cut=3"])
    assert [plan(number) for number in range(1, 7)] == [
        None,
        "error",
        "cut",
        "error",
        None,
        "error",
    ]


def test_a_port_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = run("simulate", "--objects", "500", "--years", "1", "--port", port)
    assert result.exit_code == 3
    assert f"port {port}" in result.stderr
