"""Timelines: what each event of an object says in plain words, and which of them are folded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from console import glossary
from console.writing import money

Event = Mapping[str, Any]
"""A line of a history, with what it `changed` where that was asked for."""

AMOUNTS: Final = (
    ("net_minor", "Net"),
    ("outstanding_minor", "Outstanding"),
    ("refunded_minor", "Refunded"),
    ("paid_minor", "Paid"),
    ("received_minor", "Captured"),
    ("mrr_minor", "MRR"),
    ("on_hand", "On hand"),
    ("available", "Available"),
    ("state", "State"),
)
"""What of a change a timeline tells in one line, the most telling first."""
OF_WHICH: Final = {
    "charge.succeeded": "received_minor",
    "order.placed": "total_minor",
    "refund.created": "refunded_minor",
    "charge.refund.updated": "refunded_minor",
    "refund.updated": "refunded_minor",
    "refund.failed": "refunded_minor",
    "charge.refunded": "refunded_minor",
    "order.refund_requested": "refund_requested_minor",
    "charge.dispute.created": "disputed_minor",
    "charge.dispute.closed": "disputed_minor",
    "charge.dispute.funds_withdrawn": "disputed_minor",
    "charge.dispute.funds_reinstated": "disputed_minor",
}
"""By how much of which amount an event is named: "Refund of $21.00 sent"."""
NAMED: Final = {
    "charge.succeeded": "Payment of {} succeeded",
    "order.placed": "Order of {} placed",
    "refund.created": "Refund of {} sent",
    "charge.refund.updated": "Refund of {} updated",
    "refund.updated": "Refund of {} updated",
    "refund.failed": "Refund of {} failed",
    "charge.refunded": "{} marked refunded",
    "order.refund_requested": "Refund of {} requested",
    "charge.dispute.created": "Dispute of {} opened",
    "charge.dispute.closed": "Dispute of {} closed",
    "charge.dispute.funds_withdrawn": "Dispute: {} withdrawn",
    "charge.dispute.funds_reinstated": "Dispute: {} given back",
}
QUIET: Final = {
    "charge.refunded", "charge.updated", "payment_intent.created", "payment_intent.processing",
    "payment_intent.succeeded", "refund.updated", "charge.refund.updated", "command.accepted",
}  # fmt: skip
"""Kinds of events beside others that say the same of an order."""


class Told(NamedTuple):
    """An event in words: its number in the history, sentence, effect, icon and who did it."""

    number: int
    event: Event
    sentence: str
    effect: str
    icon: str
    tone: str
    who: str


class Folded(NamedTuple):
    """Events that changed nothing of the object, one after the other."""

    events: list[Told]


def told(
    events: Sequence[Event], currency: str | None, last: int | None = None
) -> list[Told | Folded]:
    """A timeline: events in words, those that changed nothing folded together.

    They are numbered from 1 up, or from the `last` down.
    """
    lines: list[Told | Folded] = []
    for number, event in enumerate(events):
        line = _told(number + 1 if last is None else last - number, event, currency)
        if not _is_quiet(event):
            lines.append(line)
        elif lines and isinstance(lines[-1], Folded):
            lines[-1].events.append(line)
        else:
            lines.append(Folded([line]))
    return lines


def ticks(events: Sequence[Event]) -> list[tuple[float, bool]]:
    """Where each event stands on a line, in per cent, and whether it changed something."""
    last = max(len(events) - 1, 1)
    return [(round(100 * n / last, 2), not _is_quiet(each)) for n, each in enumerate(events)]


def _is_quiet(event: Event) -> bool:
    """Whether it changed nothing of the object; by its kind, where that was not asked for."""
    if event["reason"]:
        return False
    if "changed" in event:
        return event["changed"] == {}
    kind: str = event["kind"]
    return kind in QUIET or kind.startswith("stock.")


def _told(number: int, event: Event, currency: str | None) -> Told:
    kind: str = event["kind"]
    changed: Mapping[str, Any] = event.get("changed") or {}
    icon, tone = glossary.icon(kind)
    return Told(
        number, event, _sentence(kind, event, changed, currency), _effect(changed, currency),
        icon, tone, who(event),
    )  # fmt: skip


def who(event: Event) -> str:
    """Who did it, as a person is called or a program."""
    return event["actor_name"] or glossary.actor(event["actor"])


def _sentence(kind: str, event: Event, changed: Mapping[str, Any], currency: str | None) -> str:
    thing, _, name = event["source"].partition("/")
    if thing == "stock":
        return f"{glossary.event(kind)}: {name}"
    pair = changed.get(OF_WHICH.get(kind, ""))
    if pair is None or currency is None:
        return glossary.event(kind)
    amount_minor = abs((pair[1] or 0) - (pair[0] or 0))
    return (
        NAMED[kind].format(money(amount_minor, currency)) if amount_minor else glossary.event(kind)
    )


def _effect(changed: Mapping[str, Any], currency: str | None) -> str:
    """The most telling change in one line: `Net $63.00 → $42.00`."""
    for column, label in AMOUNTS:
        before, after = changed.get(column) or (None, None)
        if before is not None and after is not None:
            return f"{label} {_value(column, before, currency)} → {_value(column, after, currency)}"
    return ""


def _value(column: str, value: Any, currency: str | None) -> str:
    if column.endswith("_minor"):
        return money(value, currency)
    return glossary.state(value).lower() if column == "state" else f"{value:,}"
