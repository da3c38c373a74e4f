"""The OpenAPI 3.1 document of the operations: who may call each, what it takes, what it answers."""

import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core.core_schema import IntSchema
from starlette.routing import BaseRoute, Route

from api.operations import Operation, Problem, code, operations, title_of
from api.permissions import MATRIX, OPEN, Permission, Scope
from ledger.decisions import MAX_KEY
from ledger.domain.access import Role
from ledger.errors import (
    Forbidden,
    InvalidRequest,
    LedgerError,
    PayloadTooLarge,
    TooManyRejected,
    Unauthorized,
)

_SCHEMAS: Final = "#/components/schemas/"
_INTEGER: Final = {"type": "integer", "format": "int64", "minimum": 0}
SCHEMES: Final = {
    "token": {"type": "http", "scheme": "bearer", "description": "`ledger token issue` makes one."},
    "stripe": {"type": "apiKey", "in": "header", "name": "Stripe-Signature"},
}

ABOUT: Final = """
Amounts (`…_minor`) are integers in minor units of the currency beside them: pence of gbp, yen of
jpy, thousandths of kwd. Times (`…_at`) are RFC 3339 in UTC; days are cut in the reporting zone.
What may be null says so. A state of an object of Stripe's may be a word that is not listed: what
Stripe calls something is kept as it is.

A list takes filters, spans of time (`created_after` is from then on, `created_before` is before
then), `sort`, and the `next` of the page before as its `cursor`. `after` waits until reads have
taken in a position of the log, such as the one that a command answered.

Every answer that is read from the log says up to where it goes: `as_of_position`, of a download
the header `As-Of-Position`. Where there is nothing of a name, the refusal says as of which
position: not yet, or never. A list without items says in `empty` why, and what would fill it.

Refusals are problem documents (RFC 9457); `code` is for programs.
""".strip()
JsonSchema = dict[str, Any]
Statuses = Mapping[type[LedgerError], int]


def describe(
    routes: Iterable[BaseRoute], title: str, version: str, statuses: Statuses | None = None
) -> JsonSchema:
    """The OpenAPI 3.1 document of the routes whose endpoints declare an `operation`.

    `statuses` is the application's table; an error has the status of its nearest base class there,
    and one without stands under `default`.
    """
    paths: JsonSchema = {}
    described = list(operations(routes))
    for route, method, declared in described:
        told = _describe(route, declared, statuses or {})
        paths.setdefault(route.path_format, {})[method.lower()] = told
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version, "description": ABOUT},
        "paths": paths,
        "components": {
            "schemas": _schemas([declared for _, _, declared in described]),
            "securitySchemes": SCHEMES,
        },
    }


class _Generate(GenerateJsonSchema):
    """Pydantic's own, which says of a whole number how large it may be."""

    def int_schema(self, schema: IntSchema) -> JsonSchemaValue:
        """PostgreSQL's bigint."""
        return super().int_schema(schema) | {"format": "int64"}

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's hook
        """A field's name says it already."""
        return False


def _schemas(declared: Sequence[Operation]) -> JsonSchema:
    """Bodies as they are read, answers as they are written, and the words that queries refer to."""
    read = {each.body for each in declared if each.body}
    written = {Problem, *(each.answers for each in declared if each.answers)}
    written |= {answer for each in declared for answer in each.also.values()}
    named = sorted(read | written, key=lambda model: model.__name__)
    assert len({model.__name__ for model in named}) == len(named), "a schema's name is a model's"
    _, document = models_json_schema(
        [(model, "serialization" if model in written else "validation") for model in named],
        ref_template=_SCHEMAS + "{model}",
        schema_generator=_Generate,
    )
    return document["$defs"] | _words(each.query for each in declared if each.query)


def _describe(route: Route, declared: Operation, statuses: Statuses) -> JsonSchema:
    summary, _, description = (inspect.getdoc(route.endpoint) or "").partition("\n")
    done = {"description": "Done."} | _content("application/json", declared.answers)
    if declared.sends:
        done["content"] = {kind: {} for kind in declared.sends}
    described: JsonSchema = {
        "operationId": route.endpoint.__name__,
        "summary": summary,
        "description": description.strip(),
        "tags": [declared.tag],
        **_access(declared.permission),
        "parameters": [*_path(route), *_query(declared), *_headers(declared)],
        "responses": {str(declared.status): done, **_problems(declared, statuses)},
    }
    if declared.body is not None:
        described["requestBody"] = {"required": True} | _content("application/json", declared.body)
    if declared.takes:
        content = {declared.takes: {"schema": {"type": "object"}}}
        described["requestBody"] = {"required": True, "content": content}
    return described


def _access(permission: Permission) -> JsonSchema:
    """What a call needs, and how far each role may go with it."""
    if permission in OPEN:
        return {"security": [{"stripe": []}] if permission is Permission.WEBHOOK else []}
    rule = MATRIX[permission]
    given = {role.value: rule.of(role) for role in Role}
    roles = {role: p.value for role, p in given.items() if p is not Scope.NO}
    return {"security": [{"token": []}], "x-surface": permission.value, "x-roles": roles}


def _path(route: Route) -> list[JsonSchema]:
    kinds = {name: type(c).__name__ for name, c in route.param_convertors.items()}
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": _INTEGER if kind == "IntegerConvertor" else {"type": "string"},
        }
        for name, kind in kinds.items()
    ]


def _query(declared: Operation) -> list[JsonSchema]:
    if declared.query is None:
        return []
    schema = _query_schema(declared.query)
    required = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": _never_null(field)}
        for name, field in schema["properties"].items()
    ]


def _never_null(field: JsonSchema) -> JsonSchema:
    """A parameter that is not given is left out: an address cannot say null."""
    arms = [arm for arm in field.get("anyOf", ()) if arm != {"type": "null"}]
    if not arms:
        return field
    rest = {key: value for key, value in field.items() if key not in {"anyOf", "default"}}
    return (arms[0] if len(arms) == 1 else {"anyOf": arms}) | rest


def _words(queries: Iterable[type[BaseModel]]) -> JsonSchema:
    """The enumerations and other words that queries refer to."""
    words: JsonSchema = {}
    for query in queries:
        words |= _query_schema(query).get("$defs", {})
    assert all("properties" not in w for w in words.values()), "a query is flat: it holds no models"
    return words


def _query_schema(query: type[BaseModel]) -> JsonSchema:
    return query.model_json_schema(ref_template=_SCHEMAS + "{model}", schema_generator=_Generate)


def _headers(declared: Operation) -> list[JsonSchema]:
    if not declared.idempotent:
        return []
    schema = {"type": "string", "minLength": 1, "maxLength": MAX_KEY}
    about = "The same key with the same request answers the same again, and changes nothing."
    return [{"name": "Idempotency-Key", "in": "header", "schema": schema, "description": about}]


def _problems(declared: Operation, statuses: Statuses) -> JsonSchema:
    causes: dict[str, list[str]] = {}
    for error in (*declared.errors, *_before_the_endpoint(declared)):
        found = next((statuses[c] for c in error.__mro__ if c in statuses), "default")
        causes.setdefault(str(found), []).append(f"`{code(error)}`: {title_of(error)}")
    content = _content("application/problem+json", Problem)
    found = {s: {"description": "\n".join(said)} | content for s, said in sorted(causes.items())}
    for status, answer in declared.also.items():
        told = found.setdefault(str(status), {"description": "Said in the answer.", "content": {}})
        told["content"] = told["content"] | _content("application/json", answer)["content"]
    return found


def _before_the_endpoint(declared: Operation) -> Iterator[type[LedgerError]]:
    """What is answered before the endpoint is asked."""
    if declared.query is not None or declared.body is not None or declared.permission not in OPEN:
        yield InvalidRequest
    if declared.body is not None:
        yield PayloadTooLarge
    if declared.permission not in OPEN:
        yield from (Unauthorized, Forbidden, TooManyRejected)


def _content(media_type: str, model: type[BaseModel] | None) -> JsonSchema:
    if model is None:
        return {}
    return {"content": {media_type: {"schema": {"$ref": _SCHEMAS + model.__name__}}}}
