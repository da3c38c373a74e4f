"""Where an archive lies: a folder, or a bucket of any object store, by its address.

Objects are put whole, read whole, and listed. pyarrow's file systems do it (S3, Google Cloud
Storage, Azure); it is an optional extra, and imported when it is needed.
https://arrow.apache.org/docs/python/filesystems.html
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from ledger.errors import ArchiveUnavailable, InvalidRequest

MISSING: Final = (
    "This needs pyarrow, which is not installed here: install Ledger again with its extra, in a"
    " checkout as pipx install --force '.[parquet]'."
)


def arrow(module: str = "pyarrow") -> Any:
    """pyarrow, or a module of it; raises `InvalidRequest` where it is not installed."""
    try:
        return import_module(module)
    except ModuleNotFoundError:
        raise InvalidRequest(MISSING) from None


class Store:
    """The objects below an address: `/backups/ledger`, `s3://bucket/ledger?region=…`, ….

    Its methods raise `ArchiveUnavailable` where the place cannot be reached or written to.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self._files = arrow("pyarrow.fs")
        self._is_folder = "://" not in address
        with self._reaching():
            if self._is_folder:
                self._system: Any = self._files.LocalFileSystem()
                self._root = str(Path(address).absolute())
            else:
                self._system, self._root = self._files.FileSystem.from_uri(address)

    def make_folder(self) -> None:
        """Make the folder, or the bucket where the address allows it, if it is not there."""
        with self._reaching():
            self._system.create_dir(self._root, recursive=True)

    def put(self, name: str, data: bytes) -> None:
        """Put an object in place of what had this name; nobody ever sees a part of it."""
        target = self._path(name)
        with self._reaching():
            if not self._is_folder:
                with self._system.open_output_stream(target) as stream:
                    stream.write(data)
                return
            self._system.create_dir(str(Path(target).parent), recursive=True)
            written = f"{target}.{uuid4().hex}.part"
            try:
                Path(written).write_bytes(data)
                self._system.move(written, target)
            finally:
                Path(written).unlink(missing_ok=True)

    def get(self, name: str) -> bytes | None:
        """What an object holds; None where there is none."""
        with self._reaching():
            try:
                with self._system.open_input_file(self._path(name)) as file:
                    return file.read()
            except FileNotFoundError:
                return None

    @contextmanager
    def opened(self, name: str) -> Generator[Any]:
        """An object to be read in parts, by `size()` and `read_at(size, start)`; None for none."""
        with self._reaching(), ExitStack() as stack:
            try:
                file = stack.enter_context(self._system.open_input_file(self._path(name)))
            except FileNotFoundError:
                file = None
            yield file

    def names(self, folder: str = "") -> list[str]:
        """The names of the objects in a folder of the store, sorted; none where it is not there."""
        return sorted(each.base_name for each in self._objects(folder))

    def names_below(self, folder: str) -> list[str]:
        """The same of all folders within it, by their paths from the store's address."""
        start = len(self._root) + 1
        return sorted(each.path[start:] for each in self._objects(folder, recursive=True))

    def _objects(self, folder: str, *, recursive: bool = False) -> list[Any]:
        selector = self._files.FileSelector(
            self._path(folder), allow_not_found=True, recursive=recursive
        )
        with self._reaching():
            found = self._system.get_file_info(selector)
        return [
            each
            for each in found
            if each.type == self._files.FileType.File and not each.base_name.endswith(".part")
        ]

    def remove(self, name: str) -> None:
        """Remove an object, if it is there."""
        with self._reaching():
            try:
                self._system.delete_file(self._path(name))
            except FileNotFoundError:
                return

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}".rstrip("/")

    @contextmanager
    def _reaching(self) -> Generator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except (OSError, ValueError, arrow().ArrowException) as error:
            told = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ArchiveUnavailable(f"The archive at {self.address}: {told}") from error
