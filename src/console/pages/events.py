"""Events: a search of the audit log, and one event with what it says, changed and caused.

What an event holds is evidence: reading it is an event itself, so the page asks for it apart.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
from starlette.responses import RedirectResponse, Response

from console.api import Problem, part
from console.lists import listed
from console.page import SEE_OTHER, PageRequest, view
from console.pages.records import history
from console.render import PAGES

LIST: Final = "/console/events"
TEXTS: Final = ("object", "actor", "role", "kind", "topic", "stream", "outcome", "text")
TIMES: Final = ("recorded_after", "recorded_before")
MOST_CAUSED: Final = 50

Shown = dict[str, Any]


# ── Searching ───────────────────────────────────────────────────────────────────────────────────


async def events(visit: PageRequest) -> Response:
    """The latest lines of the audit log that fit the filters, or the event at a position."""
    position = visit.query.get("position", "").strip()
    if position.isascii() and position.isdigit():
        return RedirectResponse(f"{LIST}/{position}", SEE_OTHER)
    asked = {name: visit.query.get(name, "").strip() for name in (*TEXTS, *TIMES)}
    times = {name: _with_zone(asked[name], visit.zone) for name in TIMES}
    found = await listed(visit, "/audit", asked | times)
    return visit.page("events.html", found.status, asked=asked, list=found)


async def unreadable(visit: PageRequest) -> Response:
    """Stripe's events that could not be read, and why."""
    found = await listed(visit, "/events/unreadable", {})
    return visit.page("events_unreadable.html", found.status, list=found)


def _with_zone(text: str, zone: str) -> str:
    """A time without a zone, as browsers send it, in the one that the pages are written in."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return moment.replace(tzinfo=moment.tzinfo or ZoneInfo(zone)).isoformat()


# ── One event ───────────────────────────────────────────────────────────────────────────────────


async def event(visit: PageRequest) -> Response:
    """Where an event stands, who did it and what it caused; not what it holds."""
    return await _show(visit, None)


async def held(visit: PageRequest) -> Response:
    """The same, and what it holds, checked anew; this is a read of evidence."""
    fields = await visit.form()
    path = f"/events/{_position(visit)}"
    return await _show(visit, await visit.api.get(path, reason=fields.get("reason", "").strip()))


async def changes(visit: PageRequest) -> Response:
    """What an event changed, object by object; it takes longer than the rest, so it comes apart."""
    position = _position(visit)
    line = await _line(visit, position)
    changed = await asyncio.gather(
        *(_changed(visit, kind, name, position) for kind, name in _objects(line) if kind in PAGES)
    )
    return visit.page("event_changes.html", position=position, changed=changed)


async def _show(visit: PageRequest, evidence: Shown | None) -> Response:
    position = _position(visit)
    envelope, has_next = await _envelope(visit, position)
    line, caused = await asyncio.gather(
        _line(visit, position),
        visit.api.get("/audit", causation=envelope["source"], limit=MOST_CAUSED),
    )
    return visit.page(
        "event.html",
        envelope=envelope,
        line=line,
        objects=_objects(line),
        has_next=has_next,
        caused=caused["items"],
        evidence=evidence,
        body=evidence and _body(evidence["data"]),
    )


async def _envelope(visit: PageRequest, position: int) -> tuple[Shown, bool]:
    """Where, when and by whom, without what it holds; and whether another event follows."""
    page = await visit.api.get("/events", cursor=max(position - 1, 0), limit=2)
    found: list[Shown] = page["items"]
    if not found or found[0]["position"] != position:
        raise Problem(404, {"title": f"The log has no position {position}."})
    return found[0], len(found) > 1


async def _line(visit: PageRequest, position: int) -> Shown | None:
    """Its line in the audit log; None while the read models have not taken it in."""
    page = await visit.api.get("/audit", cursor=position + 1, limit=1)
    return next((each for each in page["items"] if each["position"] == position), None)


def _objects(line: Shown | None) -> list[tuple[str, str]]:
    """Kind and id of what an event names."""
    names: list[str] = line["objects"] if line else []
    return [(kind, name) for kind, _, name in (each.partition("/") for each in names)]


async def _changed(visit: PageRequest, kind: str, name: str, position: int) -> Shown:
    """What it changed of an object, and in which currency that is."""
    path = f"/{PAGES[kind]}/{part(name)}"
    past, currency = await asyncio.gather(
        history(visit, f"/{PAGES[kind]}", name, cursor=position - 1, limit=1),
        _currency(visit, path),
    )
    found = [each["changed"] for each in past.items if each["position"] == position]
    return {
        "kind": kind,
        "name": name,
        "currency": currency,
        "changes": found[0] if found else {},
        "refused": past.refusal and past.refusal.detail,
    }


async def _currency(visit: PageRequest, path: str) -> str | None:
    """That of an object, where it is there and has one."""
    try:
        return (await visit.api.get(path)).get("currency")
    except Problem as problem:
        if problem.status != 404:
            raise
        return None


def _body(data: Shown) -> str:
    """What an event holds, laid out to be read; what is no JSON stays as it is."""
    text: str = data["body"] if "body" in data else msgspec.json.encode(data).decode()
    try:
        return msgspec.json.format(text, indent=2)
    except (msgspec.MsgspecError, RecursionError):
        return text


def _position(visit: PageRequest) -> int:
    return visit.request.path_params["position"]


ONE: Final = f"{LIST}/{{position:int}}"
routes = [
    view(LIST, events),
    view(f"{LIST}/unreadable", unreadable),
    view(ONE, event),
    view(f"{ONE}/changes", changes),
    view(f"{ONE}/held", held, methods=("POST",)),
]
