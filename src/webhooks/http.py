"""The webhook receiver: POST /webhooks/stripe."""

from datetime import UTC, datetime

from prometheus_client import Counter
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from api.operations import Schema, operation
from api.permissions import Permission
from ledger.errors import (
    BadSignature,
    EndpointOff,
    LedgerError,
    PayloadTooLarge,
    StoreUnavailable,
    TooManyRejected,
    Unstorable,
)
from ledger.settings import Settings
from webhooks.ingest.receive import Receipt, Receiver
from webhooks.ingest.signature import verify_signature
from webhooks.recheck import fingerprint

MAX_BODY_BYTES = 1024 * 1024

REJECTED = Counter("ledger_webhook_rejected", "Calls of which nothing was stored.", ["cause"])


class Received(Schema):
    """The event is in the log, at this position."""

    received: bool
    position: int


@operation(
    Permission.WEBHOOK,
    "webhooks",
    takes="application/json",
    answers=Received,
    errors=(
        BadSignature,
        EndpointOff,
        PayloadTooLarge,
        TooManyRejected,
        Unstorable,
        StoreUnavailable,
    ),
)
async def receive_stripe_event(request: Request) -> Response:
    """Take an event from Stripe.

    The body is what Stripe signed in the `Stripe-Signature` header: an event of any kind, and
    whatever it is, it is stored. The answer comes after the commit, and is the same for an event
    that was delivered before.
    """
    try:
        receipt = await _receive(request)
    except (BadSignature, PayloadTooLarge) as error:
        _count(error)
        request.state.receiver.turned_away.saw(error)
        if not request.state.receiver.rejections.take():
            raise TooManyRejected("Too many calls were rejected; send fewer.") from error
        raise
    except LedgerError as error:
        _count(error)
        if isinstance(error, EndpointOff):
            request.state.receiver.turned_away.saw(error)
        raise
    except ClientDisconnect as error:
        _count(error)
        return Response(status_code=400)  # the caller has gone
    answer = b'{"received":true,"position":%d}' % receipt.position  # a model would cost more
    return Response(answer, media_type="application/json")


async def _receive(request: Request) -> Receipt:
    settings: Settings = request.state.settings
    receiver: Receiver = request.state.receiver
    if not settings.stripe_webhook_secrets:
        raise EndpointOff("No STRIPE_WEBHOOK_SECRETS is set, so there is no webhook here.")
    body = await _read(request)
    received_at = datetime.now(UTC)
    header = request.headers.get("stripe-signature")
    secrets = [secret.get_secret_value() for secret in settings.stripe_webhook_secrets]
    secret = verify_signature(body, header, secrets, received_at)
    return await receiver.receive(body, header, received_at, fingerprint(secret))


async def _read(request: Request) -> bytes:
    """The body; stops reading where it grows too large, whatever Content-Length says.

    Starlette's own `max_body_size` would answer in plain text instead of a problem document.
    """
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            raise PayloadTooLarge(f"The body is larger than {MAX_BODY_BYTES} bytes.")
        chunks.append(chunk)
    return b"".join(chunks)


def _count(error: Exception) -> None:
    REJECTED.labels(type(error).__name__).inc()


routes = [Route("/webhooks/stripe", receive_stripe_event, methods=["POST"])]
