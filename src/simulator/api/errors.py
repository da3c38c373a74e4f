"""Stripe's errors, in its words: https://docs.stripe.com/api/errors."""

from collections.abc import Sequence

from simulator.api.keys import Key

INVALID = "invalid_request_error"


class Refused(Exception):
    """An answer that is an error: a status, Stripe's error body, and headers."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = INVALID,
        code: str | None = None,
        param: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.is_of_parameters = code is None or code.startswith("parameter_")
        self.status = status
        self.headers = headers or {}
        named = {"code": code, "message": message, "param": param, "type": kind}
        error = {name: value for name, value in named.items() if value is not None}
        if code is not None:
            error["doc_url"] = f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}"
        self.body: dict[str, object] = {"error": error}


def no_key() -> Refused:
    """No key came."""
    return Refused(
        401,
        "You did not provide an API key. You need to provide your API key in the Authorization "
        "header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
        headers={"WWW-Authenticate": 'Basic realm="Stripe"'},
    )


def unknown_key(secret: str) -> Refused:
    """A key that does not exist."""
    shown = f"{secret[:8]}{'*' * max(1, len(secret) - 12)}{secret[-4:]}"
    return Refused(
        401,
        f"Invalid API Key provided: {shown}",
        headers={"WWW-Authenticate": 'Basic realm="Stripe"'},
    )


def not_permitted(key: Key, account_id: str, permissions: Sequence[str]) -> Refused:
    """A restricted key without any of the permissions that would do."""
    wanted = ", ".join(f"'{permission}'" for permission in permissions)
    word = "permission" if len(permissions) == 1 else "permissions"
    return Refused(
        403,
        f"The provided key '{key.shown}' does not have the required permissions for this endpoint "
        f"on account '{account_id}'. Having the {wanted} {word} would allow this request to "
        "continue.",
    )


def no_access(key: Key, account_id: str) -> Refused:
    """An account that the key does not open."""
    return Refused(
        403,
        f"The provided key '{key.shown}' does not have access to account '{account_id}' (or that "
        "account does not exist). Application access may have been revoked.",
        code="account_invalid",
    )


def missing(kind: str, thing_id: str, param: str, *, other_mode: str | None = None) -> Refused:
    """No such object, or only in the other mode."""
    message = f"No such {kind}: '{thing_id}'"
    if other_mode is not None:
        used = "test" if other_mode == "live" else "live"
        message += (
            f"; a similar object exists in {other_mode} mode, but a {used} mode key was used to "
            "make this request."
        )
    return Refused(404 if param == "id" else 400, message, code="resource_missing", param=param)


def unknown_url(method: str, path: str) -> Refused:
    """No such endpoint."""
    return Refused(
        404,
        f"Unrecognized request URL ({method}: {path}). Please see https://stripe.com/docs or we "
        "can help at https://support.stripe.com/.",
    )


def unknown_parameter(name: str) -> Refused:
    """A parameter that the endpoint does not have."""
    return Refused(400, f"Received unknown parameter: {name}", code="parameter_unknown", param=name)


def required(name: str) -> Refused:
    """A parameter that the endpoint cannot do without."""
    return Refused(400, f"Missing required param: {name}.", code="parameter_missing", param=name)


def not_an_integer(name: str, value: str) -> Refused:
    """A parameter that should be a number."""
    return Refused(400, f"Invalid integer: {value}", code="parameter_invalid_integer", param=name)


def rate_limited() -> Refused:
    """Too many requests: https://docs.stripe.com/rate-limits."""
    return Refused(
        429,
        "Request rate limit exceeded. You can learn more about rate limits here "
        "https://stripe.com/docs/rate-limits.",
        code="rate_limit",
        headers={"Retry-After": "1", "Stripe-Rate-Limited-Reason": "global-rate"},
    )


def broken() -> Refused:
    """Something went wrong at Stripe."""
    return Refused(500, "An unknown error occurred", kind="api_error")


def key_in_use() -> Refused:
    """Another call with this idempotency key is at work."""
    return Refused(
        409,
        "There is currently another in-progress request using this idempotent key (that probably "
        "means you submitted twice, and the other request is still going through).",
        code="idempotency_key_in_use",
    )
