"""docs and bench: verbs of the checkout."""

from pathlib import Path
from types import SimpleNamespace

import pytest
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
