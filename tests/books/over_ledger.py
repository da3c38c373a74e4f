"""Books in a ledger's live read models, made of facts, and what exports take out of them."""

import shutil
import subprocess
from collections.abc import Generator, Iterable
from contextlib import closing, contextmanager
from pathlib import Path

from kpi.exports.declare import export
from kpi.exports.formats import Format
from kpi.exports.transfer import Asked, begin
from kpi.windows import Window
from ledger.disclosures import DisclosureLog
from ledger.domain.events import Metadata
from ledger.log import Log
from projections.engine import tables
from projections.engine.build import ProjectionContext, ReadModelTables
from projections.engine.fold import Fold
from projections.engine.reads import Reads
from tests.books.lives import Told
from tests.kpi.builder import LedgerBuilder
from tests.projections.models import Models
from tests.support.servers import Server

BLOCK = 500
"""So many facts are taken in at once where there are many."""

PROGRAMS = {
    Format.BEANCOUNT: ("bean-check",),
    Format.HLEDGER: ("hledger", "check", "--strict", "-f"),
}
"""Which program checks a file of entries, with what goes before its name."""


class LiveBooks(Models):
    """Read models that exports look at, to give facts to."""

    def __init__(self, engine: ProjectionContext) -> None:
        self.engine = engine
        self.position = 0
        self.said = []
        self._conn = engine.database.connect("projector", autocommit=True)
        self.cursor = self._conn.cursor()
        tables.use(self.cursor, tables.LIVE)
        self.copy = ReadModelTables(self.cursor, engine.registry, engine.reader, tables.LIVE)
        self.copy.follow_durably()

    def take_all(self, told: Iterable[Told]) -> "LiveBooks":
        """Take facts many at a time, as if one event a block said them."""
        block = list(told)
        for start in range(0, len(block), BLOCK):
            fold = Fold(self.copy.registry)
            for minutes, fact in block[start : start + BLOCK]:
                fold.add(self.moment(minutes), [fact])
            with self._conn.transaction():
                self.copy.flush(fold)
        return self

    def exported(self, name: str, chosen: Format, window: Window, **filters: str) -> bytes:
        """The whole file of an export."""
        asked = Asked(export(name), window, chosen, filters, by_length=False)
        log = DisclosureLog(self.engine.log)
        with (
            closing(Reads(self.engine, connections=1)) as reads,
            closing(begin(reads, log, asked, Metadata(actor="ann"))) as transfer,
        ):
            return b"".join(transfer.chunks)


@contextmanager
def books_on(server: Server) -> Generator[LiveBooks]:
    """Empty books in a database of their own."""
    database = server.create()
    with Log(database.conninfo("app")) as log:
        books = LiveBooks(LedgerBuilder(database, log).engine)
        yield books
        books.cursor.connection.close()
    server.drop(database)


def is_installed(chosen: Format) -> bool:
    """Whether the program that checks such files is there."""
    return shutil.which(PROGRAMS[chosen][0]) is not None


def complaint(chosen: Format, file: bytes, folder: Path) -> str | None:
    """What the format's own program has to say against a file; None where it is right."""
    path = folder / f"books.{chosen}"
    path.write_bytes(file)
    done = subprocess.run(
        [*PROGRAMS[chosen], str(path)], capture_output=True, text=True, check=False, timeout=120
    )
    return None if done.returncode == 0 else done.stdout + done.stderr or "failed without a word"
