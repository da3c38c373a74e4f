"""The embedded server starts whatever happened before, and runs no longer than its last user."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from ledger.errors import PostgresError
from ledger.postgres import supervisor, unprivileged
from ledger.postgres.locks import exclusive
from ledger.postgres.supervisor import SOCKET, SOCKET_PATH_BYTES, EmbeddedPostgres
from tests.support.servers import short_lived_home, system_bin_folder

# Uses the server of the folder in argv[1] until its standard input ends.
USER = """
import sys
from pathlib import Path
from ledger.postgres.supervisor import EmbeddedPostgres
with EmbeddedPostgres(Path(sys.argv[1])) as server:
    print(server.pid, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """One home for many tests, since whatever one did to its server is no obstacle for the next."""
    with short_lived_home() as home:
        with EmbeddedPostgres(home):
            pass
        yield home


@contextmanager
def moved(home: Path, name: str) -> Iterator[Path]:
    """The same home under another name."""
    with short_lived_home() as parent:
        elsewhere = parent / name
        elsewhere.mkdir()
        (home / "postgres").rename(elsewhere / "postgres")
        yield elsewhere
        (elsewhere / "postgres").rename(home / "postgres")


@pytest.fixture
def user() -> Iterator[Callable[[Path], subprocess.Popen[str]]]:
    """Starts another process that uses the server of a home; `communicate` ends its use."""
    with ExitStack() as stack:

        def start(home: Path) -> subprocess.Popen[str]:
            process = subprocess.Popen(
                [sys.executable, "-c", USER, str(home)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            return stack.enter_context(process)

        yield start


def ask(server: EmbeddedPostgres, question: str) -> object:
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as conn:
        (answer,) = conn.execute(question.encode()).fetchone() or (None,)
        return answer


def tell(server: EmbeddedPostgres, statement: str) -> None:
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as conn:
        conn.execute(statement.encode())


def answers(conninfo: str) -> bool:
    try:
        psycopg.connect(conninfo).close()
    except psycopg.OperationalError:
        return False
    return True


def test_a_cold_start_makes_a_safe_cluster() -> None:
    with short_lived_home() as home, EmbeddedPostgres(home) as server:
        assert (home / "postgres").stat().st_mode & 0o777 == 0o700
        expected = {
            "data_checksums": "on",
            "fsync": "on",
            "listen_addresses": "",
            "server_encoding": "UTF8",
            "TimeZone": "UTC",
            "unix_socket_permissions": "0700",
        }
        assert {name: ask(server, f"show {name}") for name in expected} == expected
        assert ask(server, "select 'a' < 'Z'") is False, "text sorts by code point"
        assert ask(server, "select upper('é') = 'É'") is True
        assert ask(server, "select current_user") == "postgres"


def test_the_programs_of_an_older_server_run_too() -> None:
    programs = system_bin_folder()
    if programs is None:
        pytest.skip("no PostgreSQL from 15 on in /usr/lib/postgresql")
    with short_lived_home() as home, EmbeddedPostgres(home, programs) as server:
        assert ask(server, "show server_version_num") != ""
        assert ask(server, "select 'a' < 'Z'") is False


def test_the_server_stops_with_its_only_user_and_keeps_its_data(home: Path) -> None:
    server = EmbeddedPostgres(home)
    with server:
        tell(server, "create table kept_after_stop ()")
        conninfo = server.conninfo("postgres")
    assert not answers(conninfo)
    with server:
        assert ask(server, "select count(*) from kept_after_stop") == 0


def test_the_last_one_out_stops_it(home: Path) -> None:
    first, second = EmbeddedPostgres(home), EmbeddedPostgres(home)
    first.start()
    second.start()
    conninfo = second.conninfo("postgres")
    first.stop()
    assert answers(conninfo)
    second.stop()
    assert not answers(conninfo)


def test_processes_that_start_together_share_one_server(
    user: Callable[[Path], subprocess.Popen[str]],
) -> None:
    with short_lived_home() as home:
        users = [user(home) for _ in range(3)]
        pids = {process.stdout.readline() for process in users if process.stdout}
        assert len(pids) == 1
        with EmbeddedPostgres(home) as server:
            assert {f"{server.pid}\n"} == pids
            for process in users:
                process.communicate()
            conninfo = server.conninfo("postgres")
            assert answers(conninfo)
        assert not answers(conninfo)


def test_a_killed_users_server_is_adopted_and_then_stopped(
    home: Path, user: Callable[[Path], subprocess.Popen[str]]
) -> None:
    killed = user(home)
    assert killed.stdout
    pid = int(killed.stdout.readline())
    killed.kill()
    killed.wait()
    with EmbeddedPostgres(home) as server:
        assert server.pid == pid
        conninfo = server.conninfo("postgres")
        assert answers(conninfo)
    assert not answers(conninfo)


def test_a_killed_server_starts_again_with_all_that_was_committed(home: Path) -> None:
    with EmbeddedPostgres(home) as killed, psycopg.connect(killed.conninfo("postgres")):
        tell(killed, "create table kept_after_kill ()")
        os.kill(killed.pid, signal.SIGKILL)
        with EmbeddedPostgres(home) as server:
            assert ask(server, "select count(*) from kept_after_kill") == 0


def test_a_stale_pid_file_is_no_obstacle_even_if_its_number_was_given_out_again(
    home: Path,
) -> None:
    with EmbeddedPostgres(home):
        files = {
            path: path.read_text().splitlines()
            for path in (
                home / "postgres" / "data" / "postmaster.pid",
                home / "postgres" / f"{SOCKET}.lock",
            )
        }
    with subprocess.Popen(["sleep", "60"]) as stranger:
        for path, lines in files.items():
            path.write_text("\n".join([str(stranger.pid), *lines[1:]]))
        with EmbeddedPostgres(home) as server:
            assert server.pid != stranger.pid
        assert stranger.poll() is None
        stranger.kill()


def test_an_interrupted_initdb_is_begun_anew() -> None:
    with short_lived_home() as home:
        unfinished = home / "postgres" / "data.unfinished"
        (unfinished / "base").mkdir(parents=True)
        (unfinished / "PG_VERSION").write_text("18\n")
        with EmbeddedPostgres(home) as server:
            assert ask(server, "select 1") == 1
        assert not unfinished.exists()


def test_a_start_waits_for_what_is_left_of_the_server_before(home: Path) -> None:
    started = threading.Event()

    def start() -> None:
        with EmbeddedPostgres(home):
            started.set()

    thread = threading.Thread(target=start)
    with exclusive(home / "postgres" / "server.lock"):  # as a backend or initdb would hold it
        thread.start()
        assert not started.wait(0.2)
    assert started.wait(30)
    thread.join()


def test_an_interrupted_start_leaves_nothing_running(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = EmbeddedPostgres(home)

    def interrupted_once_it_runs() -> bool:
        if server._answers():
            raise KeyboardInterrupt
        return False

    monkeypatch.setattr(server, "_is_ready", interrupted_once_it_runs)
    with pytest.raises(KeyboardInterrupt):
        server.start()
    assert server._is_gone()


def test_ctrl_c_in_our_terminal_does_not_reach_the_server(home: Path) -> None:
    with EmbeddedPostgres(home) as server:
        assert os.getsid(server.pid) != os.getsid(0)


@pytest.mark.parametrize("name", ["long" * 40, "with space, comma and 'quote'"])
def test_any_path_will_do(home: Path, name: str) -> None:
    with moved(home, name) as elsewhere:
        with EmbeddedPostgres(elsewhere) as server:
            socket_folder = Path(str(conninfo_to_dict(server.conninfo())["host"]))
            assert ask(server, "select 1") == 1
            assert len(str(socket_folder / SOCKET)) <= SOCKET_PATH_BYTES
            assert socket_folder.stat().st_mode & 0o777 == 0o700
        socket_folder.rmdir()


def test_a_short_socket_folder_that_others_can_open_is_refused(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with moved(home, "long" * 40) as elsewhere, short_lived_home() as temporary:
        monkeypatch.setattr(supervisor.tempfile, "gettempdir", lambda: str(temporary))
        with EmbeddedPostgres(elsewhere):
            (folder,) = temporary.iterdir()
        folder.chmod(0o777)
        with pytest.raises(PostgresError, match="not ours alone"):
            EmbeddedPostgres(elsewhere).start()


@contextmanager
def a_bystander() -> Iterator[Path]:
    """A folder of somebody else's, which must be as it was in the end."""
    with short_lived_home() as elsewhere:
        folder = elsewhere / "of somebody else"
        folder.mkdir(mode=0o755)
        (folder / "file").touch(mode=0o644)
        os.chown(folder, 12345, 12345) if os.geteuid() == 0 else None

        def state() -> list[tuple[int, int]]:
            found = [path.lstat() for path in (folder, folder / "file")]
            return [(each.st_uid, each.st_mode) for each in found]

        before = state()
        yield folder
        assert state() == before


@pytest.mark.parametrize("as_nobody", [False, True])
def test_a_link_planted_for_the_short_socket_folder_leads_nowhere(
    home: Path, monkeypatch: pytest.MonkeyPatch, as_nobody: bool
) -> None:
    """Its name can be known beforehand, and everybody may write to /tmp."""
    if as_nobody:
        monkeypatch.setattr(unprivileged, "_namespace_works", lambda program: False)
    with (
        moved(home, "long" * 40) as elsewhere,
        short_lived_home() as temporary,
        a_bystander() as victim,
    ):
        monkeypatch.setattr(supervisor.tempfile, "gettempdir", lambda: str(temporary))
        with EmbeddedPostgres(elsewhere):
            (folder,) = temporary.iterdir()
        folder.rmdir()
        folder.symlink_to(victim)
        with pytest.raises(PostgresError, match="is no folder"):
            EmbeddedPostgres(elsewhere).start()
        folder.unlink()
        folder.symlink_to(victim / "not there")
        with pytest.raises(PostgresError, match="is no folder"):
            EmbeddedPostgres(elsewhere).start()
    with EmbeddedPostgres(home):
        pass  # as us again


def test_a_link_in_place_of_the_servers_folder_leads_nowhere() -> None:
    with short_lived_home() as home, a_bystander() as victim:
        (home / "postgres").symlink_to(victim)
        with pytest.raises(PostgresError, match="is no folder"):
            EmbeddedPostgres(home).start()


def test_a_link_in_place_of_a_lock_is_not_followed(home: Path) -> None:
    with short_lived_home() as elsewhere:
        (home / "postgres" / "change.lock").unlink()
        (home / "postgres" / "change.lock").symlink_to(elsewhere / "made by us")
        with pytest.raises(PostgresError, match="LEDGER_HOME"):
            EmbeddedPostgres(home).start()
        assert not list(elsewhere.iterdir())
    (home / "postgres" / "change.lock").unlink()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("which", ["the server's folder", "the socket's folder"])
def test_what_belongs_to_another_user_is_refused_and_left_alone(
    home: Path, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    """Root would otherwise take a user's ledger away from him by looking at it."""
    with moved(home, "long" * 40) as elsewhere, short_lived_home() as temporary:
        monkeypatch.setattr(supervisor.tempfile, "gettempdir", lambda: str(temporary))
        with EmbeddedPostgres(elsewhere):
            (sockets,) = temporary.iterdir()
        folder = elsewhere / "postgres" if which == "the server's folder" else sockets
        os.chown(folder, 12345, 12345)
        with pytest.raises(PostgresError, match="belongs to user 12345"):
            EmbeddedPostgres(elsewhere).start()
        assert folder.stat().st_uid == 12345
        os.chown(folder, 0, 0)


def test_a_server_that_cannot_start_says_why(home: Path) -> None:
    version = home / "postgres" / "data" / "PG_VERSION"
    ours = version.read_text()
    version.write_text("9.6\n")
    with pytest.raises(PostgresError, match="database files are incompatible with server"):
        EmbeddedPostgres(home).start()
    version.write_text(ours)


def test_a_home_that_is_no_folder_is_named(home: Path) -> None:
    (home / "file").touch()
    with pytest.raises(PostgresError, match="LEDGER_HOME"):
        EmbeddedPostgres(home / "file").start()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs another identity")
def test_root_without_user_namespaces_runs_it_as_nobody_and_can_go_back(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def owner_while_running() -> int:
        with EmbeddedPostgres(home) as server:
            assert ask(server, "select 1") == 1
            return (home / "postgres" / "data" / "postmaster.pid").stat().st_uid

    with monkeypatch.context() as patched:
        patched.setattr(unprivileged, "_namespace_works", lambda program: False)
        assert owner_while_running() != 0
    owner_while_running()
