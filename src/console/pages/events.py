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

from console.api import Problem, if_there, part
from console.glossary import KINDS_OF_EVENTS
from console.lists import LISTED, listed
from console.page import SEE_OTHER, PageRequest, view
from console.pages.records import history
from console.render import PAGES

LIST: Final = "/console/events"
TEXTS: Final = ("object", "actor", "role", "kind", "topic", "stream", "outcome", "text")
TIMES: Final = ("recorded_after", "recorded_before")
MOST_CAUSED: Final = 50

Shown = dict[str, Any]


# ── Searching ───────────────────────────────────────────────────────────────────────────────────


async def events(request: PageRequest) -> Response:
    """The latest lines of the audit log that fit the filters, or the event at a position."""
    position = request.query.get("position", "").strip()
    if position.isascii() and position.isdigit():
        return RedirectResponse(f"{LIST}/{position}", SEE_OTHER)
    asked = {name: request.query.get(name, "").strip() for name in (*TEXTS, *TIMES)}
    times = {name: _with_zone(asked[name], request.zone) for name in TIMES}
    found = await listed(request, "/audit", asked | times)
    given = [value for value in asked.values() if value]
    return request.page(
        "events.html",
        found.status,
        asked=asked,
        list=found,
        kinds=KINDS_OF_EVENTS,
        actors=[{"actor": request.me["actor"], "name": request.me["name"]}],
        views=[("All", LIST, not given), ("Unreadable", f"{LIST}/unreadable", False)],
    )


async def unreadable(request: PageRequest) -> Response:
    """Stripe's events that could not be read, and why."""
    found = await listed(request, "/events/unreadable", {})
    return request.page("events_unreadable.html", found.status, list=found)


def _with_zone(text: str, zone: str) -> str:
    """A time without a zone, as browsers send it, in the one that the pages are written in."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return moment.replace(tzinfo=moment.tzinfo or ZoneInfo(zone)).isoformat()


# ── One event ───────────────────────────────────────────────────────────────────────────────────


async def event(request: PageRequest) -> Response:
    """Where an event stands, who did it and what it caused; not what it holds."""
    return await _show(request, None)


async def held(request: PageRequest) -> Response:
    """The same, and what it holds, checked again; this is a read of evidence."""
    fields = await request.form()
    path = f"/events/{_position(request)}"
    return await _show(
        request, await request.api.get(path, reason=fields.get("reason", "").strip())
    )


async def changes(request: PageRequest) -> Response:
    """What an event changed, object by object; it takes longer than the rest, so it comes apart."""
    position = _position(request)
    line = await _line(request, position)
    changed = await asyncio.gather(
        *(_changed(request, kind, name, position) for kind, name in _objects(line) if kind in PAGES)
    )
    return request.page("event_changes.html", position=position, changed=changed)


async def _show(request: PageRequest, evidence: Shown | None) -> Response:
    position = _position(request)
    envelope, has_next = await _envelope(request, position)
    line, caused = await asyncio.gather(
        _line(request, position),
        request.api.get("/audit", causation=envelope["source"], limit=MOST_CAUSED),
    )
    return request.page(
        "event.html",
        envelope=envelope,
        line=line,
        objects=_objects(line),
        has_next=has_next,
        caused=caused["items"],
        evidence=evidence,
        body=evidence and _body(evidence["data"]),
    )


async def _envelope(request: PageRequest, position: int) -> tuple[Shown, bool]:
    """Where, when and by whom, without what it holds; and whether another event follows."""
    page = await request.api.get("/events", cursor=max(position - 1, 0), limit=2)
    found: list[Shown] = page["items"]
    if not found or found[0]["position"] != position:
        raise Problem(404, {"title": f"The log has no position {position}."})
    return found[0], len(found) > 1


async def _line(request: PageRequest, position: int) -> Shown | None:
    """Its line in the audit log; None while the read models have not taken it in."""
    page = await request.api.get("/audit", cursor=position + 1, limit=1)
    return next((each for each in page["items"] if each["position"] == position), None)


def _objects(line: Shown | None) -> list[tuple[str, str]]:
    """Kind and id of what an event names."""
    names: list[str] = line["objects"] if line else []
    return [(kind, name) for kind, _, name in (each.partition("/") for each in names)]


async def _changed(request: PageRequest, kind: str, name: str, position: int) -> Shown:
    """What it changed of an object, and in which currency that is."""
    path = f"/{PAGES[kind]}/{part(name)}"
    past, currency = await asyncio.gather(
        history(request, f"/{PAGES[kind]}", name, cursor=position - 1, limit=1),
        _currency(request, path),
    )
    found = [each["changed"] for each in past.items if each["position"] == position]
    return {
        "kind": kind,
        "name": name,
        "currency": currency,
        "changes": found[0] if found else {},
        "refused": past.refusal and past.refusal.detail,
    }


async def _currency(request: PageRequest, path: str) -> str | None:
    """That of an object, where it is there and has one."""
    found = await if_there(request.api.get(path))
    return found and found.get("currency")


def _body(data: Shown) -> str:
    """What an event holds, laid out to be read; what is no JSON stays as it is."""
    text: str = data["body"] if "body" in data else msgspec.json.encode(data).decode()
    try:
        return msgspec.json.format(text, indent=2)
    except (msgspec.MsgspecError, RecursionError):
        return text


def _position(request: PageRequest) -> int:
    return request.path_params["position"]


ONE: Final = f"{LIST}/{{position:int}}"
routes = [
    view(LIST, events, takes=("position", *TEXTS, *TIMES, *LISTED)),
    view(f"{LIST}/unreadable", unreadable, takes=LISTED),
    view(ONE, event),
    view(f"{ONE}/changes", changes),
    view(f"{ONE}/held", held, methods=("POST",)),
]
