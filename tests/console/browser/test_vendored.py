"""What is vendored is what its page says, byte for byte."""

import re
from hashlib import sha256
from pathlib import Path

import pytest

import console

TEST_ASSETS = Path(__file__).parent
STATIC = Path(console.__file__).parent / "static"
OURS = {"console.js"}
LINE = re.compile(r"^\| (\S+) \|.*\| `([0-9a-f]{64})` \|$", re.MULTILINE)


@pytest.mark.parametrize("folder", [STATIC, TEST_ASSETS], ids=["static", "tests"])
def test_vendored_files_are_unchanged(folder: Path) -> None:
    listed = dict(LINE.findall((folder / "VENDORED.md").read_text(encoding="utf-8")))
    assert listed == {name: sha256((folder / name).read_bytes()).hexdigest() for name in listed}


@pytest.mark.parametrize("folder", [STATIC, TEST_ASSETS], ids=["static", "tests"])
def test_every_script_is_listed(folder: Path) -> None:
    listed = (folder / "VENDORED.md").read_text(encoding="utf-8")
    scripts = {file.name for file in folder.glob("*.js")} - OURS
    assert scripts
    assert all(f"| {name} |" in listed for name in scripts)


def test_files_that_a_stylesheet_loads_have_the_address_of_their_content() -> None:
    """They are kept for a year: another content must have another address."""
    loaded = re.findall(r'url\("([^"?]+)\?([0-9a-f]+)"\)', (STATIC / "console.css").read_text())
    assert loaded
    for name, told in loaded:
        assert sha256((STATIC / name).read_bytes()).hexdigest().startswith(told)
