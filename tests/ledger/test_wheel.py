"""The wheel: an application that runs from an environment of its own."""

import re
import subprocess
import sys
import sysconfig
import venv
from email.parser import HeaderParser
from importlib import metadata
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement

from ledger.version import VERSION

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel in a new environment, which finds what it depends on where the tests do."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    install = [sys.executable, "-m", "uv", "pip", "install", "--offline", "--no-deps", "--python"]
    subprocess.run([*install, str(python), str(wheel)], check=True, capture_output=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return folder


def run(folder: Path, program: str, *arguments: str) -> str:
    """Run a program of the environment, where no checkout is near."""
    done = subprocess.run(
        [str(folder / "bin" / program), *arguments],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_runs_from_an_environment_of_its_own(installed: Path) -> None:
    assert run(installed, "ledger", "--version") == f"ledger {VERSION}\n"
    where = run(installed, "python", "-c", "import app.asgi; print(app.__file__)")
    assert str(installed.resolve()) in str(Path(where).resolve())


def test_its_name_is_no_strangers(wheel: Path) -> None:
    """What PyPI has as `ledger` is another program: nobody shall get that one by our advice."""
    about = HeaderParser().parsestr(_metadata(wheel))
    assert about["Name"] != "ledger"
    assert about["Version"] == VERSION
    said = re.compile(r"(?:pip|pipx|uv tool|uv pip) install[^\n]*\bledger\b(?!/)")
    files = [*ROOT.glob("src/**/*.py"), *ROOT.glob("docs/**/*.md"), ROOT / "README.md"]
    assert [str(file) for file in files if said.search(file.read_text())] == []


def test_its_dependencies_fit_the_ones_that_are_tested(wheel: Path) -> None:
    about = HeaderParser().parsestr(_metadata(wheel))
    wanted = [Requirement(line) for line in about.get_all("Requires-Dist") or ()]
    assert len(wanted) > 10
    for each in wanted:
        if each.marker is None or each.marker.evaluate({"extra": "parquet"}):
            assert each.specifier.contains(metadata.version(each.name)), each


def test_everything_that_is_no_code_ships(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        shipped = set(archive.namelist())
    source = ROOT / "src"
    files = {
        str(file.relative_to(source))
        for file in source.rglob("*")
        if file.is_file() and file.suffix != ".pyc"
    }
    assert files <= shipped


def _metadata(wheel: Path) -> str:
    with ZipFile(wheel) as archive:
        (name,) = (each for each in archive.namelist() if each.endswith(".dist-info/METADATA"))
        return archive.read(name).decode()
