"""The benchmarks run and count right; how fast anything is, no test asks."""

import json
import sys
import time
from collections.abc import Iterator

import psycopg
import pytest

from benchmarks import append, main, report
from benchmarks.library import run_projection
from benchmarks.load import percentile
from benchmarks.logs import shop_log, stripe_log
from benchmarks.machine import this_machine
from benchmarks.measuring import Beside, Figure, Goal, Sample, alternate
from benchmarks.processes import LOOK_SECONDS, in_child, watching_memory
from benchmarks.rebuild import fill, rebuild_all
from benchmarks.report import Run
from benchmarks.server import Server, running
from ledger.workers import processes

EVENTS = 640


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running() as started:
        yield started


def test_appending_stores_every_event_with_each_candidate(server: Server) -> None:
    """The module asserts the counts itself; here, that it took every candidate's turns."""
    appended, size = append.measure(server, append.Scale(rounds=2, events=128, stock_events=4))
    assert [other.name for other in appended.beside] == [append.STOCK, append.COPY]
    assert [len(other.samples) for other in (appended, *appended.beside)] == [2, 2, 2]
    assert 2_200 < size.value < 2_500, "not the events of 2.3 kB that the figures are about"


def test_a_measured_rebuild_takes_in_every_event(server: Server) -> None:
    database = server.database()
    assert fill(database, shop_log("smoke", EVENTS)) == EVENTS
    assert in_child(rebuild_all, database)["peak_mb"] > 10
    with database.connect("reader") as conn:
        audited = conn.execute("select count(*) from read_models.audit").fetchone()
        paid = conn.execute(
            "select count(*) from read_models.orders where payment_state = 'paid'"
        ).fetchone()
    assert audited == (EVENTS,)
    assert paid is not None
    assert paid[0] > 0, "the log should hold orders, and their payments"


def test_the_librarys_projection_begins_anew_every_turn(server: Server) -> None:
    database = server.database()
    count = fill(database, stripe_log("smoke", 40))
    for _ in range(2):
        in_child(run_projection, database, count)
    with psycopg.connect(database.admin_conninfo) as admin:
        lines = admin.execute("select count(*) from library.event_lines").fetchone()
    assert lines == (count,)


def test_candidates_take_turns() -> None:
    turns: list[str] = []

    def candidate(name: str, turn: int) -> Sample:
        turns.append(f"{name}{turn}")
        return {"per_second": turn + 1}

    taken = alternate(
        2, {"a": lambda turn: candidate("a", turn), "b": lambda turn: candidate("b", turn)}
    )
    assert turns == ["a0", "b0", "a1", "b1"]
    assert taken.of("a") == (1, 2)


@pytest.mark.parametrize(("percent", "value"), [(0, 1), (50, 50), (99, 99), (100, 100)])
def test_a_percentile_is_a_value_that_was_measured(percent: int, value: int) -> None:
    assert percentile(range(1, 101), percent) == value


@pytest.mark.parametrize(
    ("goal", "met"),
    [
        (Goal("≥", 100), True),
        (Goal("≥", 101), False),
        (Goal("<", 100), False),
        (Goal("≤", 100), True),
        (Goal("=", 100), True),
        (Goal("≥", 4, against="other"), True),
        (Goal("≥", 4.1, against="other"), False),
    ],
)
def test_a_goal_is_judged_by_medians(goal: Goal, met: bool) -> None:
    figure = Figure(
        what="x", unit="/s", samples=(1, 100, 900), beside=(Beside("other", (25, 25, 7)),)
    )
    assert figure.meets(goal) is met


def _run(*, quick: bool) -> Run:
    fast = Figure(what="speed", unit="/s", samples=(1,), goals=(Goal("≥", 2),))
    right = Figure(what="errors", unit="", samples=(1,), goals=(Goal("=", 0, of_speed=False),))
    return Run(machine=this_machine("18"), quick=quick, figures={"one": [fast, right]})


def test_a_quick_run_judges_what_is_right_but_no_speed() -> None:
    assert _run(quick=False).missed == 2
    assert _run(quick=True).missed == 1


def test_a_run_can_be_read_by_programs_and_pasted_into_the_docs() -> None:
    document = json.loads(report.document(_run(quick=True)))
    assert document["machine"]["postgresql"] == "18"
    assert [f["targets"][0]["met"] for f in document["benchmarks"]["one"]] == [None, False]
    assert "| speed | 1 /s |  | ≥ 2 /s: not judged |" in report.markdown(_run(quick=True))


def test_an_unknown_name_runs_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["append", "apend"], json=False, quick=True) == 2
    assert "apend" in capsys.readouterr().err


def test_what_takes_an_hour_is_measured_where_it_is_asked_for() -> None:
    assert "large" not in main.usual(quick=False)
    assert main.usual(quick=True) == list(main.BENCHMARKS)


@pytest.mark.skipif(sys.platform != "linux", reason="others are looked at in /proc")
def test_the_memory_of_workers_is_seen() -> None:
    assert 300 < in_child(peak_beside, 300) < 600


def peak_beside(megabytes: int) -> float:
    """The peak of a small process that has a worker hold so much."""
    with watching_memory() as peak, processes(1) as pool:
        assert pool.submit(hold, megabytes).result() == megabytes * 1_000_000
        return peak()


def hold(megabytes: int) -> int:
    """Hold so much for longer than one looks."""
    held = b"x" * (megabytes * 1_000_000)
    time.sleep(2 * LOOK_SECONDS)
    return len(held)
