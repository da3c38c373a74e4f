"""Operations: what an endpoint takes and answers, checked at the door and told in OpenAPI 3.1."""

import inspect
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from functools import wraps
from typing import Any, Final

from msgspec import Struct
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.json_schema import models_json_schema
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from ledger.access import MATRIX, OPEN, Permission, Surface
from ledger.batch import MAX_KEY
from ledger.domain.access import Role
from ledger.errors import (
    Forbidden,
    InvalidRequest,
    LedgerError,
    PayloadTooLarge,
    TooManyRejected,
    Unauthorized,
)
from ledger.guard import authorize

MAX_BODY: Final = 256 * 1024
_SCHEMAS: Final = "#/components/schemas/"
SCHEMES: Final = {
    "token": {"type": "http", "scheme": "bearer", "description": "`ledger token issue` makes one."},
    "stripe": {"type": "apiKey", "in": "header", "name": "Stripe-Signature"},
}


class Shape(BaseModel):
    """A query, body or answer: no unknown names, and in JSON no value of another type."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Problem(Shape):
    """Problem details (RFC 9457); `code` is the error's name, for programs."""

    type: str
    title: str
    status: int
    detail: str
    code: str


class Operation(Struct, frozen=True, kw_only=True):
    """What an endpoint declares with `operation`."""

    surface: Surface
    query: type[Shape] | None
    body: type[Shape] | None
    answers: type[BaseModel] | None
    status: int
    errors: tuple[type[LedgerError], ...]
    tag: str
    idempotent: bool


Endpoint = Callable[..., Any]
Handler = Callable[[Request], Awaitable[Response]]
_OPERATIONS: Final[dict[Callable[..., Any], Operation]] = {}


def operation(
    *,
    surface: Surface,
    tag: str,
    query: type[Shape] | None = None,
    body: type[Shape] | None = None,
    answers: type[BaseModel] | None = None,
    status: int = 200,
    errors: tuple[type[LedgerError], ...] = (),
    idempotent: bool = False,
) -> Callable[[Endpoint], Handler]:
    """Check who calls, `query` and `body` before an endpoint, and hand them on by these names.

    Who may call stands in the table of surfaces (`ledger.access`). A plain endpoint runs in the
    thread pool, an async one in the loop. It returns a model, which is sent as JSON with `status`,
    or a response. What does not fit raises `InvalidRequest` or `PayloadTooLarge`; `idempotent`
    tells readers that the call takes an `Idempotency-Key`.
    """
    declared = Operation(
        surface=surface,
        query=query,
        body=body,
        answers=answers,
        status=status,
        errors=errors,
        tag=tag,
        idempotent=idempotent,
    )

    def decorate(endpoint: Endpoint) -> Handler:
        is_async = inspect.iscoroutinefunction(endpoint)

        @wraps(endpoint)
        async def handler(request: Request) -> Response:
            await authorize(request, surface)
            given = await _given(declared, request)
            if is_async:
                answer = await endpoint(request, **given)
            else:
                answer = await run_in_threadpool(endpoint, request, **given)
            return _response(answer, status)

        _OPERATIONS[handler] = declared
        return handler

    return decorate


async def _given(declared: Operation, request: Request) -> dict[str, Shape]:
    given: dict[str, Shape] = {}
    if declared.query is not None:
        given["query"] = _read_query(declared.query, request)
    if declared.body is not None:
        given["body"] = _read_body(declared.body, await _json(request))
    return given


def _read_query(shape: type[Shape], request: Request) -> Shape:
    names = request.query_params.keys()
    values = {name: request.query_params.getlist(name) for name in names}
    try:
        return shape.model_validate({n: v[0] if len(v) == 1 else v for n, v in values.items()})
    except ValidationError as error:
        raise InvalidRequest(_explain(error, "query")) from None


def _read_body(shape: type[Shape], body: bytes) -> Shape:
    try:
        return shape.model_validate_json(body, strict=True)
    except ValidationError as error:
        raise InvalidRequest(_explain(error, "body")) from None


async def _json(request: Request) -> bytes:
    """The body, and only as JSON: a foreign web page cannot send that without asking first."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise InvalidRequest("Send the body as JSON, with `Content-Type: application/json`.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise PayloadTooLarge(f"The body is larger than {MAX_BODY} bytes.")
    return bytes(body)


def _explain(error: ValidationError, place: str) -> str:
    """Each wrong field and why, without its value: that could be personal data."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(f"{'.'.join(map(str, (place, *e['loc'])))}: {e['msg']}" for e in found[:10])


def _response(answer: Any, status: int) -> Response:
    if isinstance(answer, Response):
        return answer
    assert isinstance(answer, BaseModel), "an endpoint returns a model or a response"
    return Response(answer.model_dump_json(), status, media_type="application/json")


# ── Problems ────────────────────────────────────────────────────────────────────────────────────


def problem(error: LedgerError, status: int) -> JSONResponse:
    """An error as problem details (RFC 9457); the table of statuses is at the roof."""
    title = _title(type(error))
    details = Problem(
        type=f"urn:ledger:problem:{code(type(error))}",
        title=title,
        status=status,
        detail=str(error) or title,
        code=code(type(error)),
    )
    return JSONResponse(details.model_dump(), status, media_type="application/problem+json")


def code(error: type[LedgerError]) -> str:
    """The name of an error for programs: `OutOfStock` is `out_of_stock`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", error.__name__).lower()


def _title(error: type[LedgerError]) -> str:
    return (inspect.getdoc(error) or error.__name__).splitlines()[0]


def surfaces(routes: Iterable[BaseRoute]) -> Iterator[tuple[str, str, Surface]]:
    """Method, path and surface of each route whose endpoint declares an `operation`."""
    for route in routes:
        if isinstance(route, Route) and (declared := _OPERATIONS.get(route.endpoint)):
            for method in sorted((route.methods or set()) - {"HEAD"}):
                yield method, route.path_format, declared.surface


# ── The document ────────────────────────────────────────────────────────────────────────────────

Schema = dict[str, Any]
Statuses = Mapping[type[LedgerError], int]


def describe(
    routes: Iterable[BaseRoute], title: str, version: str, statuses: Statuses | None = None
) -> Schema:
    """The OpenAPI 3.1 document of the routes whose endpoints declare an `operation`.

    `statuses` is the roof's table; an error has the status of its nearest base class there, and
    one without stands under `default`.
    """
    paths: Schema = {}
    models: set[type[BaseModel]] = {Problem}
    for route in routes:
        if isinstance(route, Route) and (declared := _OPERATIONS.get(route.endpoint)):
            described = _describe(route, declared, statuses or {})
            methods = {method.lower() for method in route.methods or ()} - {"head"}
            paths.setdefault(route.path_format, {}).update(
                dict.fromkeys(sorted(methods), described)
            )
            models |= {m for m in (declared.body, declared.answers) if m is not None}
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "paths": paths,
        "components": {"schemas": _schemas(models), "securitySchemes": SCHEMES},
    }


def _schemas(models: Iterable[type[BaseModel]]) -> Schema:
    named = sorted(models, key=lambda model: model.__name__)
    assert len({model.__name__ for model in named}) == len(named), "a schema's name is a model's"
    _, document = models_json_schema(
        [(model, "validation") for model in named], ref_template=_SCHEMAS + "{model}"
    )
    return document["$defs"]


def _describe(route: Route, declared: Operation, statuses: Statuses) -> Schema:
    summary, _, description = (inspect.getdoc(route.endpoint) or "").partition("\n")
    done = {"description": "Done."} | _content("application/json", declared.answers)
    described: Schema = {
        "operationId": route.endpoint.__name__,
        "summary": summary,
        "description": description.strip(),
        "tags": [declared.tag],
        **_access(declared.surface),
        "parameters": [*_path(route), *_query(declared), *_headers(declared)],
        "responses": {str(declared.status): done, **_problems(declared, statuses)},
    }
    if declared.body is not None:
        described["requestBody"] = {"required": True} | _content("application/json", declared.body)
    return described


def _access(surface: Surface) -> Schema:
    """What a call needs, and how far each role may go with it."""
    if surface in OPEN:
        return {"security": [{"stripe": []}] if surface is Surface.WEBHOOK else []}
    rule = MATRIX[surface]
    given = {role.value: rule.of(role) for role in Role}
    roles = {role: p.value for role, p in given.items() if p is not Permission.NO}
    return {"security": [{"token": []}], "x-surface": surface.value, "x-roles": roles}


def _path(route: Route) -> list[Schema]:
    kinds = {name: type(c).__name__ for name, c in route.param_convertors.items()}
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "integer" if kind == "IntegerConvertor" else "string"},
        }
        for name, kind in kinds.items()
    ]


def _query(declared: Operation) -> list[Schema]:
    if declared.query is None:
        return []
    schema = declared.query.model_json_schema(ref_template=_SCHEMAS + "{model}")
    assert "$defs" not in schema, "a query is flat: it has no models of its own"
    required = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": field}
        for name, field in schema["properties"].items()
    ]


def _headers(declared: Operation) -> list[Schema]:
    if not declared.idempotent:
        return []
    schema = {"type": "string", "minLength": 1, "maxLength": MAX_KEY}
    about = "The same key with the same request answers the same again, and changes nothing."
    return [{"name": "Idempotency-Key", "in": "header", "schema": schema, "description": about}]


def _problems(declared: Operation, statuses: Statuses) -> Schema:
    causes: dict[str, list[str]] = {}
    for error in (*declared.errors, *_at_the_door(declared)):
        found = next((statuses[c] for c in error.__mro__ if c in statuses), "default")
        causes.setdefault(str(found), []).append(f"`{code(error)}`: {_title(error)}")
    content = _content("application/problem+json", Problem)
    return {s: {"description": "\n".join(lines)} | content for s, lines in sorted(causes.items())}


def _at_the_door(declared: Operation) -> Iterator[type[LedgerError]]:
    """What is answered before the endpoint is asked."""
    if declared.query is not None or declared.body is not None:
        yield InvalidRequest
    if declared.body is not None:
        yield PayloadTooLarge
    if declared.surface not in OPEN:
        yield from (Unauthorized, Forbidden, TooManyRejected)


def _content(media_type: str, model: type[BaseModel] | None) -> Schema:
    if model is None:
        return {}
    return {"content": {media_type: {"schema": {"$ref": _SCHEMAS + model.__name__}}}}
