"""One deed to many objects: each asked for by itself, and what became of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from console.api import Problem
from console.forms import IN_PLACE
from console.page import PageRequest
from console.wording import in_words

NOTHING_CHOSEN = Problem(422, {"title": "Nothing was chosen.", "detail": "Choose rows first."})
NO_REASON = Problem(422, {"title": "A reason is needed.", "detail": "Say why; it is kept."})


class Outcome(NamedTuple):
    """What became of one: done, or why not."""

    name: str
    why: str | None


async def outcomes_of(
    request: PageRequest, asked: Sequence[tuple[str, str]], fields: Mapping[str, str], seen: str
) -> list[Outcome]:
    """Post one reason to each path; raises `Problem` where there is no reason, or no path.

    `asked` are names with the path of the API for each. One that is refused stops none of the rest.
    Then it waits until the list at `seen` has what was done.
    """
    reason = fields.get("reason", "").strip()
    if not reason or not asked:
        raise NOTHING_CHOSEN if reason else NO_REASON
    found: list[Outcome] = []
    position = None
    for name, path in asked:
        key = f"{fields.get('key', '')}.{len(found)}"
        try:
            answer = await request.api.post(path, {"reason": reason}, key=key)
        except Problem as problem:
            if problem.status not in IN_PLACE:
                raise
            told = in_words(problem)
            found.append(Outcome(name, told.detail or told.title))
        else:
            found.append(Outcome(name, None))
            position = answer["position"]
    with suppress(Problem):  # it is done, also where the next page cannot show it yet
        await request.api.get(seen, limit=1, after=position)
    return found
