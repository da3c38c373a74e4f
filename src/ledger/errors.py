"""Every error that the ledger raises on purpose.

    LedgerError
    ├── Refused                 a command that the rules do not allow (nothing was stored)
    │   ├── InvalidCommand        the command contradicts itself
    │   ├── UnknownOrder          no such order
    │   ├── UnknownProduct        no such product is listed
    │   ├── UnknownPayment        no such payment is known, or linked to the order
    │   ├── UnknownToken          no such access token was issued
    │   ├── UnknownIssue          no such issue was ever opened
    │   ├── WrongState            the state of what it is about does not allow it
    │   ├── NotReady              a month of the books cannot be closed yet
    │   ├── OutOfStock            not enough stock for every line
    │   ├── WrongPrice            a line disagrees with the listed price
    │   ├── AlreadyExists         the id is taken
    │   ├── LinkedElsewhere       the payment belongs to another order
    │   ├── PreviewChanged        a rule finds something else than was previewed
    │   ├── Unstorable            a value that the database does not take
    │   └── IdempotencyMismatch   the key was used with another body
    ├── InvalidRequest          a call to the service that is not what its operation takes
    ├── InvalidWindow           a window of days that the contract does not know
    ├── UnknownFigure           no figure has this id
    ├── UnknownExport           no export has this name
    ├── NotFound                a read model has no such row, or the log no such event
    ├── Ambiguous               several accounts have an object of this id
    ├── Conflict                another writer was faster, again and again
    ├── SameIdOtherContent      a Stripe event id came twice with different content
    ├── NotAStripeEvent         a body that is no Stripe event
    ├── BadSignature            a call to the webhook that Stripe did not sign
    ├── PayloadTooLarge         a body over the limit
    ├── TooManyRejected         too many calls that were turned away
    ├── Unauthorized            a call without a valid access token
    ├── Forbidden               the access token's role does not go this far
    ├── EndpointOff             an endpoint that is not configured
    ├── StripeRefused           Stripe's API refuses our key or request
    │   ├── KeyRefused            Stripe does not know the key, or not any longer
    │   ├── PermissionMissing     the restricted key may not read or write this
    │   ├── StripeNotFound        Stripe has no object of this id
    │   └── StripeDeclined        Stripe does not do what was asked for
    ├── StripeUnavailable       Stripe's API cannot be reached
    ├── StoreUnavailable        the database is away, too slow, full, read-only or stopping
    │   ├── LogReplaced           the log is not the one that this process knew
    │   ├── StatesMissing         states that left the database are not in the archive as they were
    │   └── LogDamaged            the log lost its head or events: nothing can be appended
    ├── ArchiveUnavailable      where the archive lies cannot be reached or written to
    ├── ArchiveDamaged          what lies in the archive is not what was put there
    │   └── SegmentDamaged      a segment of it is missing, or not what was sealed
    ├── ForeignWorker           a worker has other code or settings than what it works for
    ├── EngineUnavailable       what tasks should run on cannot be reached, or lost them
    ├── Stopped                 the work was told to stop in the middle
    ├── NoLedger                there is no ledger where one shall be read
    ├── PostgresError           the embedded PostgreSQL could not be run
    ├── MigrationError          the database's schema is not what the migrations say
    ├── UnknownTopic            the log holds an event that this version cannot read
    ├── UnknownProjection       no read model has this name
    ├── RebuildRunning          a rebuild or a proof is at work already
    ├── RebuildRefused          a rebuild would believe a log that is known to be damaged
    ├── RebuildBlocked          others use tables whose place a rebuild takes, or build on them
    ├── ProjectionStopped       a read model stopped at a position, or its code changed
    ├── NotCaughtUp             a read model did not reach a position in time
    └── SettingsError           a setting is missing or wrong

The text of an error is for the person who must act on it: it says what is wrong and the cure.
HTTP status codes live in one table, in `app.asgi`.
"""

from typing import NamedTuple, Self


class FieldError(NamedTuple):
    """What is wrong with one field of a call, apart from any sentence, for whom must show it.

    `field` is its path, as `lines.0.quantity`; `code` says of what kind it is (`out_of_range`,
    `repeated`, `unknown_word`, `invalid`, or pydantic's name of an error of a value). A number that
    must be from `least` to `most` is its `value`, in minor units of `currency` where that is given;
    of a text they are how many characters it may have. `detail` is what it must be, in words.
    """

    field: str
    code: str
    detail: str
    value: int | None = None
    least: int | None = None
    most: int | None = None
    currency: str | None = None


class LedgerError(Exception):
    """The root of the tree; `errors` name the fields that are to blame, where some are."""

    def __init__(self, message: str = "", *errors: FieldError) -> None:
        super().__init__(*([message] if message else []))
        self.errors = errors

    @classmethod
    def of_field(cls, field: str, told: str, code: str = "invalid", *, place: str = "") -> Self:
        """One that a field is to blame for: what is `told` of it stands behind its name.

        `place` stands before that name: `query.` or `body.` where a program may wonder.
        """
        return cls(f"{place}{field}: {told}", FieldError(field, code, told))


class Refused(LedgerError):
    """The rules do not allow this command; nothing was stored."""


class InvalidCommand(Refused):
    """The command contradicts itself or a limit."""


class UnknownOrder(Refused):
    """There is no order with this id."""


class UnknownProduct(Refused):
    """No product with this SKU is listed; list it first."""


class UnknownPayment(Refused):
    """No payment with this id is known, or linked to this order."""


class UnknownToken(Refused):
    """No access token with this id was issued."""


class UnknownIssue(Refused):
    """There is no issue with this id."""


class WrongState(Refused):
    """The state of an order, a month or what else it is about does not allow this."""


class NotReady(Refused):
    """A month of the books cannot be closed yet: each reason is named, with its cure."""


class OutOfStock(Refused):
    """There is not enough stock for every line."""


class WrongPrice(Refused):
    """A line's unit amount disagrees with the listed price."""


class AlreadyExists(Refused):
    """The id is taken."""


class LinkedElsewhere(Refused):
    """The payment belongs to another order; unlink it there first."""


class PreviewChanged(Refused):
    """The rule does not find what was previewed any more; look at the preview again."""


class Unstorable(Refused):
    """The log cannot hold this: a text is too long, or is no text; nothing was stored."""


class IdempotencyMismatch(Refused):
    """This Idempotency-Key was used with another body; use a new key."""


class InvalidRequest(LedgerError):
    """The call is not what this operation takes; the detail names the field."""


class InvalidWindow(LedgerError):
    """A window is 7, 30 or 90 days, or two dates in order."""


class UnknownFigure(LedgerError):
    """No figure has this id; `ledger kpi definitions` lists them."""


class UnknownExport(LedgerError):
    """No export has this name; `ledger export --help` lists them."""


class NotFound(LedgerError):
    """There is no such thing, or not yet; `?after=<position>` waits for what was just done."""


class Ambiguous(LedgerError):
    """Several accounts have an object of this id; name one with its account, `pi_1@acct_one`."""


class Conflict(LedgerError):
    """Another writer was faster several times in a row; try again."""


class SameIdOtherContent(LedgerError):
    """A Stripe event id came twice with different type, time or data; the first one is kept."""


class NotAStripeEvent(LedgerError):
    """The body is no Stripe event."""


class BadSignature(LedgerError):
    """The call was not signed by Stripe with one of this endpoint's secrets, or not just now."""


class PayloadTooLarge(LedgerError):
    """The body is larger than this endpoint takes."""


class TooManyRejected(LedgerError):
    """Too many calls were turned away; send fewer."""


class Unauthorized(LedgerError):
    """An access token is needed: `Authorization: Bearer lgr_…`. `ledger token issue` makes one."""


class Forbidden(LedgerError):
    """The role of this access token may not do this."""


class EndpointOff(LedgerError):
    """This endpoint is not configured; a setting turns it on."""


class StripeRefused(LedgerError):
    """Stripe's API refused the request; the message says why and which setting is the cure."""


class KeyRefused(StripeRefused):
    """Stripe's API does not know this key, or not any longer."""


class PermissionMissing(StripeRefused):
    """Stripe's API says that the key lacks a permission; `permission` is its name at Stripe."""

    def __init__(self, message: str, permission: str) -> None:
        super().__init__(message)
        self.permission = permission


class StripeNotFound(StripeRefused):
    """Stripe's API has no object of this id, in this account and mode."""


class StripeDeclined(StripeRefused):
    """Stripe's API understood what it should do and does not; `code` is its word for why."""

    def __init__(self, message: str, code: str | None) -> None:
        super().__init__(message)
        self.code = code


class StripeUnavailable(LedgerError):
    """Stripe's API cannot be reached or fails; try again."""


class StoreUnavailable(LedgerError):
    """The database cannot be reached just now; try again, with the same idempotency key or id.

    It is not known whether what was asked was stored: the same key or id finds out.
    """


class LogReplaced(StoreUnavailable):
    """The log is not the one that was read before: was a backup restored? Run `ledger verify`."""


class LogDamaged(StoreUnavailable):
    """The log is damaged: its head is gone, which says where it ends, or its last events are.

    Nothing was stored. `ledger verify` says what is missing; restore the log from a backup.
    """


class StatesMissing(StoreUnavailable):
    """States that left the database for the archive are not there as they were, or not at all.

    Nothing was stored. `ledger archive verify` says what is missing; bring it back from a copy.
    """


class ArchiveUnavailable(LedgerError):
    """Where the archive lies cannot be reached, or not written to; try again, or correct it."""


class ArchiveDamaged(LedgerError):
    """What lies in the archive is not what was put there, or missing. The log is untouched."""


class SegmentDamaged(ArchiveDamaged):
    """A segment of the archive is missing, or is not what was sealed. The log is untouched."""


class ForeignWorker(LedgerError):
    """A worker has other code or settings than what it works for; nothing of it was taken."""


class EngineUnavailable(LedgerError):
    """What tasks should run on cannot be reached, or lost them; what was done is kept."""


class Stopped(LedgerError):
    """The work was told to stop before it was done; the process ends."""


class NoLedger(LedgerError):
    """There is no ledger here; `ledger serve` or `ledger import` makes one."""


class PostgresError(LedgerError):
    """The embedded PostgreSQL could not be started, used or stopped."""


class MigrationError(LedgerError):
    """The database's schema is not what the migrations say; run `ledger migrate`."""


class UnknownTopic(LedgerError):
    """The log holds an event that this version cannot read; run a version that knows its topic."""


class UnknownProjection(LedgerError):
    """No read model has this name."""


class RebuildRunning(LedgerError):
    """Another rebuild or proof is at work; wait for its end and try again."""


class RebuildRefused(LedgerError):
    """The log is known to be damaged, and a rebuild would believe it; restore a backup instead."""


class RebuildBlocked(LedgerError):
    """Others use the old read models, or build on them; end or drop that, and rebuild again."""


class ProjectionStopped(LedgerError):
    """A read model stopped, or its code changed; fix the cause and run `ledger rebuild`."""


class NotCaughtUp(LedgerError):
    """A read model did not reach the asked position in time; is the follower running?"""


class SettingsError(LedgerError):
    """A setting is missing or wrong; the message names it."""
