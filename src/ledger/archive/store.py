"""Where an archive lies: a folder, or a bucket of any object store, by its address.

Objects are put whole, read whole, and listed. pyarrow's file systems do it (S3, Google Cloud
Storage, Azure); it is an optional extra, and imported when it is needed.
https://arrow.apache.org/docs/python/filesystems.html
"""

from __future__ import annotations

import os
import re
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import Any, Final, NamedTuple
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


_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
"""How an address of a store begins, also with too few slashes: no folder is meant by it."""
_SECRET: Final = re.compile(r"://[^/?@]*:[^?]*@|[?&](client_secret|sig)=")
"""A password; what stands alone before `@` is a name, as a container of Azure's has."""


class Object(NamedTuple):
    """An object's name, its path from the store's address; its size in bytes; its last change."""

    name: str
    size: int
    changed_at: datetime


class Store:
    """The objects below an address: `/backups/ledger`, `s3://bucket/ledger?region=…`, ….

    Its methods raise `ArchiveUnavailable` where the place cannot be reached or written to.
    """

    def __init__(self, address: str) -> None:
        self._files = arrow("pyarrow.fs")
        if _SECRET.search(address):
            raise InvalidRequest(
                "The address of the archive holds a secret: give that to the environment instead"
                " (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AZURE_CLIENT_SECRET, or a role)."
            )
        self.address = address
        with self._reaching():
            if _SCHEME.match(address):
                self._system: Any
                self._system, self._root = self._system_of(address)
            else:
                self._system = self._files.LocalFileSystem()
                self._root = _folder(address)
        self._is_folder = isinstance(self._system, self._files.LocalFileSystem)
        self.address = self._root if self._is_folder else address

    def _system_of(self, address: str) -> tuple[Any, str]:
        try:
            system, root = self._files.FileSystem.from_uri(address)
        except ValueError as error:
            raise ValueError(f"{error}. It is a folder, s3://…, gs://… or abfss://…") from error
        return system, root.rstrip("/")

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
            _put_file(Path(target), data)

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
        found = (each.base_name for each in self._files_in(folder))
        return sorted(name for name in found if not name.endswith(".part"))

    def everything(self, *folders: str) -> list[Object]:
        """What lies at the address, and below it in these folders, by name; in part, too."""
        found = self._files_in("")
        for folder in folders:
            found += self._files_in(folder, recursive=True)
        start = len(self._root) + 1
        return sorted(Object(each.path[start:], each.size, each.mtime) for each in found)

    def _files_in(self, folder: str, *, recursive: bool = False) -> list[Any]:
        selector = self._files.FileSelector(
            self._path(folder), allow_not_found=True, recursive=recursive
        )
        with self._reaching():
            found = self._system.get_file_info(selector)
        return [each for each in found if each.type == self._files.FileType.File]

    def remove(self, name: str) -> None:
        """Remove an object, if it is there, and the folders that are empty without it."""
        with self._reaching():
            try:
                self._system.delete_file(self._path(name))
            except FileNotFoundError:
                return
        if self._is_folder:
            with suppress(OSError):  # one that is not empty stays
                for folder in [*PurePosixPath(name).parents][:-1]:
                    Path(self._root, folder).rmdir()

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}".rstrip("/")

    @contextmanager
    def _reaching(self) -> Generator[None]:
        try:
            yield
        except (OSError, ValueError, arrow().ArrowException) as error:
            told = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ArchiveUnavailable(f"The archive at {self.address}: {told}") from error


def _folder(address: str) -> str:
    """The path of a folder; raises `ValueError` where its `~name` is no user here."""
    try:
        return str(Path(address).expanduser().absolute())
    except RuntimeError as error:
        raise ValueError(f"{error} Write the whole path.") from error


def _put_file(target: Path, data: bytes) -> None:
    """Write a file beside its place, wait until it is on the disk, and move it there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    written = target.with_name(f"{target.name}.{uuid4().hex}.part")
    try:
        with written.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        written.replace(target)
    finally:
        written.unlink(missing_ok=True)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
