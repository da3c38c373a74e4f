"""The OpenAPI 3.1 document of the operations: who may call each, what it takes, what it answers."""

import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
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
from ledger.openapi import Operation, Problem, code, operations, title_of

_SCHEMAS: Final = "#/components/schemas/"
SCHEMES: Final = {
    "token": {"type": "http", "scheme": "bearer", "description": "`ledger token issue` makes one."},
    "stripe": {"type": "apiKey", "in": "header", "name": "Stripe-Signature"},
}

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
    described = list(operations(routes))
    for route, method, declared in described:
        told = _describe(route, declared, statuses or {})
        paths.setdefault(route.path_format, {})[method.lower()] = told
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "paths": paths,
        "components": {
            "schemas": _schemas([declared for _, _, declared in described]),
            "securitySchemes": SCHEMES,
        },
    }


def _schemas(declared: Sequence[Operation]) -> Schema:
    """Bodies as they are read, answers as they are written, and the words that queries refer to."""
    read = {each.body for each in declared if each.body}
    written = {Problem, *(each.answers for each in declared if each.answers)}
    named = sorted(read | written, key=lambda model: model.__name__)
    assert len({model.__name__ for model in named}) == len(named), "a schema's name is a model's"
    _, document = models_json_schema(
        [(model, "serialization" if model in written else "validation") for model in named],
        ref_template=_SCHEMAS + "{model}",
    )
    return document["$defs"] | _words(each.query for each in declared if each.query)


def _describe(route: Route, declared: Operation, statuses: Statuses) -> Schema:
    summary, _, description = (inspect.getdoc(route.endpoint) or "").partition("\n")
    done = {"description": "Done."} | _content("application/json", declared.answers)
    if declared.sends:
        done["content"] = {kind: {} for kind in declared.sends}
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
    schema = _query_schema(declared.query)
    required = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": field}
        for name, field in schema["properties"].items()
    ]


def _words(queries: Iterable[type[BaseModel]]) -> Schema:
    """The enumerations that queries refer to."""
    words: Schema = {}
    for query in queries:
        words |= _query_schema(query).get("$defs", {})
    assert all("enum" in word for word in words.values()), "a query is flat: it holds no models"
    return words


def _query_schema(query: type[BaseModel]) -> Schema:
    return query.model_json_schema(ref_template=_SCHEMAS + "{model}")


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
        causes.setdefault(str(found), []).append(f"`{code(error)}`: {title_of(error)}")
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
