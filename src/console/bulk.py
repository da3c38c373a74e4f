"""One deed to many objects: each asked for by itself, and what became of each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from types import MappingProxyType
from typing import Final, NamedTuple

from starlette.responses import Response

from console.api import Problem
from console.forms import IN_PLACE
from console.page import PageRequest
from console.wording import in_words

NOTHING_CHOSEN = Problem(422, {"title": "Nothing was chosen.", "detail": "Choose rows first."})
NO_REASON = Problem(422, {"title": "A reason is needed.", "detail": "Say why; it is kept."})


NOT_TRIED: Final = "It was not tried, as the one before could not be asked for. Send it again."
NOTHING_ELSE: Final[Mapping[str, str]] = MappingProxyType({})


class Deed(NamedTuple):
    """What is asked for one: its name, the path of the API, and what is sent beside a reason."""

    name: str
    path: str
    body: Mapping[str, str] = NOTHING_ELSE


class Outcome(NamedTuple):
    """What became of one: done, or why not."""

    name: str
    why: str | None


async def outcomes_of(
    request: PageRequest,
    asked: Sequence[Deed],
    fields: Mapping[str, str],
    seen: str,
    *,
    because: str = "",
) -> list[Outcome]:
    """Post one reason to each path; raises `Problem` where there is no reason, or no path.

    `because` stands behind the reason that the form says. One that is refused stops none of the
    rest; what cannot be asked for now ends it, and the report says of the rest that none of it was
    tried. Then it waits until the list at `seen` has what was done.
    """
    reason = fields.get("reason", "").strip()
    if not reason or not asked:
        raise NOTHING_CHOSEN if reason else NO_REASON
    found: list[Outcome] = []
    position = None
    for name, path, body in asked:
        sent = {**body, "reason": f"{reason}{because}"}
        try:
            answer = await request.api.post(path, sent, key=_key(fields, path, sent))
        except Problem as problem:
            if problem.status not in IN_PLACE and not found:
                raise
            told = in_words(problem)
            found.append(Outcome(name, told.detail or told.title))
            if problem.status not in IN_PLACE:
                found += [Outcome(each.name, NOT_TRIED) for each in asked[len(found) :]]
                break
        else:
            found.append(Outcome(name, None))
            position = answer["position"]
    await request.wait_for(position, seen, limit=1)
    return found


def report_page(
    request: PageRequest,
    report: Sequence[Outcome],
    fields: Mapping[str, str],
    *,
    title: str,
    noun: str,
    back: tuple[str, str],
    names: Mapping[str, str] = NOTHING_ELSE,
) -> Response:
    """What became of each object of a kind, by its name where it has one beside its id.

    `back` are the words and the path of the list that it came from; the form says in `query` what
    that was narrowed to, and the way back leads there.
    """
    words, path = back
    asked = fields.get("query", "")
    return request.page(
        "bulk_done.html",
        title=title,
        noun=noun,
        back=(words, f"{path}?{asked}" if asked else path),
        report=report,
        done=sum(not each.why for each in report),
        reason=fields.get("reason", ""),
        names=names,
    )


def _key(fields: Mapping[str, str], path: str, sent: Mapping[str, str]) -> str:
    """The same where the same is asked for again by one page, also among others than before."""
    asked = sha256(json.dumps([path, sent]).encode()).hexdigest()
    return f"{fields.get('key', '')}.{asked[:32]}"
