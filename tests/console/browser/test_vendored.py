"""What is vendored is what its page says, byte for byte."""

import re
from hashlib import sha256
from pathlib import Path

import pytest

import console

TEST_ASSETS = Path(__file__).parent
STATIC = Path(console.__file__).parent / "static"
LINE = re.compile(r"^\| (\S+) \|.*\| `([0-9a-f]{64})` \|$", re.MULTILINE)


@pytest.mark.parametrize("folder", [STATIC, TEST_ASSETS], ids=["static", "tests"])
def test_vendored_files_are_unchanged(folder: Path) -> None:
    listed = dict(LINE.findall((folder / "VENDORED.md").read_text(encoding="utf-8")))
    assert listed == {name: sha256((folder / name).read_bytes()).hexdigest() for name in listed}


@pytest.mark.parametrize("folder", [STATIC, TEST_ASSETS], ids=["static", "tests"])
def test_every_script_is_listed(folder: Path) -> None:
    listed = (folder / "VENDORED.md").read_text(encoding="utf-8")
    scripts = [file.name for file in folder.glob("*.js")]
    assert scripts
    assert all(f"| {name} |" in listed for name in scripts)
