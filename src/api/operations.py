"""Operations: what an endpoint takes and answers, checked before it runs."""

import inspect
import re
from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial, wraps
from threading import Event
from types import MappingProxyType
from typing import Any, Final, get_type_hints

import anyio
from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar
from msgspec import Struct
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from api.auth import authorize
from api.permissions import OPEN, Permission
from ledger import waits
from ledger.errors import (
    FieldError,
    InvalidRequest,
    LedgerError,
    NotCaughtUp,
    PayloadTooLarge,
    StoreUnavailable,
)
from ledger.json_text import repeated_key
from ledger.waits import USUAL, Limits
from ledger.wrong_values import in_words

MAX_BODY: Final = 256 * 1024
LAST_WORD_SECONDS: Final = 1.0
WAITING_THREADS: Final = 40
"""For calls that wait for the read models; as many as all others have together."""


class Schema(BaseModel):
    """A query, body or answer: no unknown names, and in JSON no value of another type."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        serialize_by_alias=True,
        json_schema_serialization_defaults_required=True,
    )


class FieldProblem(Schema):
    """What is wrong with one field of a call.

    `field` is its path, as `lines.0.quantity`. `code` is `out_of_range` for a number that must be
    from `least` to `most`: its `value`, in minor units of `currency` where that is said. Other
    codes are `unknown_word`, `invalid`, and those of a value that is of another type, missing or
    too long; `least` and `most` are then how many characters there may be. What has no value is
    left out. `detail` is what it must be, in words.
    """

    model_config = ConfigDict(json_schema_serialization_defaults_required=False)

    field: str
    code: str
    detail: str
    value: int | None = None
    least: int | None = None
    most: int | None = None
    currency: str | None = None


class Problem(Schema):
    """Problem details (RFC 9457); `code` is the error's name, for programs.

    `errors` is an extension member: which fields are to blame, where some are.
    """

    model_config = ConfigDict(json_schema_serialization_defaults_required=False)

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[FieldProblem] = []


class Operation(Struct, frozen=True, kw_only=True):
    """What an endpoint declares with `operation`."""

    permission: Permission
    query: type[Schema] | None
    body: type[Schema] | None
    answers: type[BaseModel] | None
    status: int
    errors: tuple[type[LedgerError], ...]
    tag: str
    idempotent: bool
    sends: tuple[str, ...]
    takes: str | None
    also: Mapping[int, type[BaseModel]]


Endpoint = Callable[..., Any]
Handler = Callable[[Request], Awaitable[Response]]
_NEVER: Final = Event()
_OPERATIONS: Final[dict[Callable[..., Any], Operation]] = {}


def operation(
    permission: Permission,
    tag: str,
    *,
    query: type[Schema] | None = None,
    body: type[Schema] | None = None,
    answers: type[BaseModel] | None = None,
    status: int = 200,
    errors: tuple[type[LedgerError], ...] = (),
    idempotent: bool = False,
    sends: tuple[str, ...] = (),
    takes: str | None = None,
    also: Mapping[int, type[BaseModel]] = MappingProxyType({}),
    seconds: float | None = None,
) -> Callable[[Endpoint], Handler]:
    """Check who calls, `query` and `body` before an endpoint, and hand them on by these names.

    Their models, and that of the answer, are those of the endpoint's annotations where no other is
    named here. Who may call stands in the table of `api.permissions`. A plain endpoint runs in the
    thread pool, an async one in the loop. It returns a model, which is sent as JSON with `status`,
    or a response. What does not fit raises `InvalidRequest` or `PayloadTooLarge`;
    `idempotent` tells readers that the call takes an `Idempotency-Key`, `sends` which media types
    an answer may have that is no JSON, `takes` that of a body which the endpoint reads by itself,
    `also` what it answers under other statuses than `status`.

    An answer may take so many `seconds`, or as long as the setting for reads says; then
    `StoreUnavailable` is raised, whatever becomes of the thread.
    """

    def decorate(endpoint: Endpoint) -> Handler:
        is_async, named = inspect.iscoroutinefunction(endpoint), _models(endpoint)
        declared = Operation(
            permission=permission,
            query=query or named.get("query"),
            body=body or named.get("body"),
            answers=answers or named.get("return"),
            status=status,
            errors=errors,
            tag=tag,
            idempotent=idempotent,
            sends=sends,
            takes=takes,
            also=also,
        )

        @wraps(endpoint)
        async def handler(request: Request) -> Response:
            longest = _longest(request) if seconds is None else seconds
            answer = await _answer(declared, endpoint, request, longest, is_async=is_async)
            return _response(answer, status)

        _OPERATIONS[handler] = declared
        return handler

    return decorate


async def _answer(
    declared: Operation, endpoint: Endpoint, request: Request, seconds: float, *, is_async: bool
) -> Any:
    """What an endpoint answers a caller who may call it, within so many seconds."""
    stop: Event = getattr(request.state, "stop", _NEVER)
    with answered_within(seconds), waits.until(stop):
        await authorize(request, declared.permission)
    given = await _given(declared, request)
    with answered_within(seconds), waits.until(stop):
        if is_async:
            return await endpoint(request, **given)
        threads = _waiting() if _may_wait(declared, request) else None
        return await in_thread(endpoint, request, threads=threads, **given)


def _models(endpoint: Endpoint) -> dict[str, Any]:
    """The models that an endpoint's annotations name: of `query`, `body` and the `return`."""
    return {
        name: hint
        for name, hint in get_type_hints(endpoint).items()
        if isinstance(hint, type) and issubclass(hint, BaseModel)
    }


@contextmanager
def answered_within(seconds: float) -> Generator[None]:
    """What is awaited in the block, and what waits for it in threads, has so many seconds.

    Raises `StoreUnavailable` when they are over. Who waits in a thread learns it first, and can
    say what for.
    """
    with waits.within(seconds), anyio.move_on_after(waits.left() + LAST_WORD_SECONDS) as scope:
        yield
    if scope.cancelled_caught:
        raise StoreUnavailable("The answer took too long.")


async def in_thread(
    call: Callable[..., Any], *args: Any, threads: CapacityLimiter | None = None, **kwargs: Any
) -> Any:
    """Run it in one of `threads`, which is left to itself when the caller has no time left."""
    work = partial(call, *args, **kwargs)
    return await to_thread.run_sync(work, abandon_on_cancel=True, limiter=threads)


def _may_wait(declared: Operation, request: Request) -> bool:
    """Whether it may wait for read models: a command that rests on them, a read `after` something.

    Such calls have separate threads. A follower that is late keeps them waiting, not the
    others: neither an order that is placed nor a read of what is there.
    """
    if NotCaughtUp not in declared.errors:
        return False
    return request.method not in {"GET", "HEAD"} or "after" in request.query_params


_waiting_threads: Final = RunVar[CapacityLimiter]("threads of calls that wait")


def _waiting() -> CapacityLimiter:
    """Those threads, of the loop that runs; the others are anyio's own."""
    try:
        return _waiting_threads.get()
    except LookupError:
        _waiting_threads.set(limiter := CapacityLimiter(WAITING_THREADS))
        return limiter


def _longest(request: Request) -> float:
    limits: Limits = getattr(request.state, "limits", USUAL)
    return limits.read


async def _given(declared: Operation, request: Request) -> dict[str, Schema]:
    given: dict[str, Schema] = {}
    if declared.query is not None:
        given["query"] = _read_query(declared.query, request)
    elif declared.permission not in OPEN:  # probes and Stripe may add words, other callers none
        _read_query(Schema, request)
    if declared.body is not None:
        given["body"] = _read_body(declared.body, await _json(request))
    return given


def _read_query(shape: type[Schema], request: Request) -> Schema:
    names = request.query_params.keys()
    values = {name: request.query_params.getlist(name) for name in names}
    try:
        return shape.model_validate({n: v[0] if len(v) == 1 else v for n, v in values.items()})
    except ValidationError as error:
        raise _invalid(error, shape, "query") from None


def _read_body(shape: type[Schema], body: bytes) -> Schema:
    try:
        read = shape.model_validate_json(body, strict=True)
    except ValidationError as error:
        raise _invalid(error, shape, "body") from None
    if field := repeated_key(body):
        told = "stands twice, and only one of the two can be meant; send it once"
        raise InvalidRequest.of_field(field, told, "repeated", place="body.")
    return read


async def _json(request: Request) -> bytes:
    """The body, and only as JSON: a foreign web page cannot send that without asking first."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise InvalidRequest(
            "Send the body as JSON (`{}` where there is nothing to say), with"
            " `Content-Type: application/json`."
        )
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise PayloadTooLarge(f"The body is larger than {MAX_BODY} bytes.")
    return bytes(body)


MOST_TOLD: Final = 10
"""So many wrong fields are named."""


def _invalid(error: ValidationError, shape: type[Schema], place: str) -> InvalidRequest:
    """Each wrong field and why, without its value: that could be personal data."""
    found = error.errors(include_url=False, include_input=False)[:MOST_TOLD]
    wrong = [_wrong(each, shape) for each in found]
    told = (f"{'.'.join(filter(None, (place, e.field)))}: {e.detail}" for e in wrong)
    return InvalidRequest("; ".join(told), *wrong)


def _wrong(error: ErrorDetails, shape: type[Schema]) -> FieldError:
    """One of pydantic's, with the bounds that it names, or the names that there are."""
    bounds: dict[str, Any] = error.get("ctx", {})
    least, most = (
        next((bounds[name] for name in names if isinstance(bounds.get(name), int)), None)
        for names in (("ge", "gt", "min_length"), ("le", "lt", "max_length"))
    )
    field = ".".join(map(str, error["loc"]))
    told = in_words(error)
    if error["type"] == "extra_forbidden" and len(error["loc"]) == 1:
        names = sorted(each.alias or name for name, each in shape.model_fields.items())
        told = (
            f"there is none of that name; there are {', '.join(names)}" if names else "say nothing"
        )
    return FieldError(field, error["type"], told, None, least, most)


def _response(answer: Any, status: int) -> Response:
    if isinstance(answer, Response):
        return answer
    assert isinstance(answer, BaseModel), "an endpoint returns a model or a response"
    return Response(answer.model_dump_json(), status, media_type="application/json")


def operations(routes: Iterable[BaseRoute]) -> Iterator[tuple[Route, str, Operation]]:
    """Each route whose endpoint declares an `operation`, once for each of its methods."""
    for route in routes:
        if isinstance(route, Route) and (declared := _OPERATIONS.get(route.endpoint)):
            for method in sorted((route.methods or set()) - {"HEAD"}):
                yield route, method, declared


def permission_by_route(routes: Iterable[BaseRoute]) -> Iterator[tuple[str, str, Permission]]:
    """Method, path and permission of each operation."""
    for route, method, declared in operations(routes):
        yield method, route.path_format, declared.permission


# ── Problems ────────────────────────────────────────────────────────────────────────────────────


def problem(error: LedgerError, status: int) -> JSONResponse:
    """An error as problem details (RFC 9457); the table of statuses is in app.asgi."""
    title = title_of(type(error))
    details = Problem(
        type=f"urn:ledger:problem:{code(type(error))}",
        title=title,
        status=status,
        detail=str(error) or title,
        code=code(type(error)),
        errors=[FieldProblem(**each._asdict()) for each in error.errors],
    )
    left_out = None if details.errors else {"errors"}
    told = details.model_dump(exclude_none=True, exclude=left_out)
    return JSONResponse(told, status, media_type="application/problem+json")


def code(error: type[LedgerError]) -> str:
    """The name of an error for programs: `OutOfStock` is `out_of_stock`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?=[A-Z][a-z])(?<=[A-Z])", "_", error.__name__).lower()


def title_of(error: type[LedgerError]) -> str:
    """What an error says where nothing is known of the case: its class's first line."""
    return (inspect.getdoc(error) or error.__name__).splitlines()[0]
