"""Calls that wait for the read models hold no thread that another call needs."""

import threading

import anyio
import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from api.operations import WAITING_THREADS, Schema, operation
from api.permissions import Permission
from ledger.errors import NotCaughtUp, StoreUnavailable
from tests.support import loops

CALLERS = 100
until_caught_up = threading.Event()
held: list[None] = []


class After(Schema):
    """From which position on."""

    after: int = 0


def hold() -> Response:
    held.append(None)
    assert until_caught_up.wait(60)
    return PlainTextResponse("done")


@operation(Permission.PUBLIC, "orders", errors=(NotCaughtUp, StoreUnavailable))
def cancel(_: Request) -> Response:
    """Wait for what is known of the order's money."""
    return hold()


@operation(Permission.PUBLIC, "orders", errors=(NotCaughtUp,))
def read(_: Request, query: After) -> Response:
    """Wait where there is something to wait for."""
    return hold() if query.after else PlainTextResponse("read")


@operation(Permission.PUBLIC, "orders", errors=(StoreUnavailable,))
def place(_: Request) -> Response:
    """Rest on nothing that is read."""
    return PlainTextResponse("placed")


app = Starlette(
    routes=[
        Route("/cancel", cancel, methods=["POST"]),
        Route("/read", read),
        Route("/place", place, methods=["POST"]),
    ]
)


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/cancel"), ("GET", "/read?after=9")], ids=["command", "read"]
)
def test_a_hundred_calls_that_wait_hold_up_no_other(method: str, path: str) -> None:
    until_caught_up.clear()
    held.clear()
    answers: list[str] = []

    async def call(client: httpx.AsyncClient) -> None:
        answers.append((await client.request(method, path)).text)

    async def world() -> None:
        transport = httpx.ASGITransport(app)
        async with (
            httpx.AsyncClient(transport=transport, base_url="http://shop", timeout=60) as client,
            anyio.create_task_group() as tasks,
        ):
            try:
                for _ in range(CALLERS):
                    tasks.start_soon(call, client)
                with anyio.fail_after(20):
                    while len(held) < WAITING_THREADS:  # noqa: ASYNC110 - threads tell it
                        await anyio.sleep(0.01)
                    assert (await client.post("/place")).text == "placed"
                    assert (await client.get("/read")).text == "read"
                assert not answers
            finally:
                until_caught_up.set()

    loops.run(world())
    assert answers == ["done"] * CALLERS
