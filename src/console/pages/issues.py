"""Issues: what the checks found wrong, the evidence of each, and what people decide on it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import Any, Final

from starlette.responses import Response

from console.api import Problem, new_key, part
from console.bulk import Deed, outcomes_of, report_page
from console.forms import Refusal, sent
from console.lists import LISTED, Listed, listed
from console.page import PageRequest, done, told_of, view
from console.pages.records import history
from console.record_types import LINKS
from console.writing import finding

LIST: Final = "/console/issues"
SEVERITIES: Final = ("high", "medium", "low")
STATES: Final = ("open", "resolved")
TEXTS: Final = ("check", "kind", "reference")
FIRST: Final = 20
"""How many of a severity are shown beside those of the others."""

VIEW_OF: Final = {"open": "", "resolved": "?state=resolved", "": "?state="}
VIEWS: Final = (("Open", ""), ("Resolved", "?state=resolved"), ("All", "?state="))
CHOSEN: Final = "issue."
"""How the name of a box begins that chooses an issue."""
TOLD: Final = {"resolve": "The issue is resolved.", "reopen": "The issue is open again."}


async def issues(request: PageRequest) -> Response:
    """Issues that fit the filters, open ones unless others are asked for, the worst first."""
    asked = {name: request.query.get(name, "").strip() for name in ("severity", *TEXTS)}
    asked["state"] = request.query.get("state", "open").strip()
    severities = [asked["severity"]] if asked["severity"] else SEVERITIES
    checks, *found = await asyncio.gather(
        request.api.get("/checks"),
        *(_of(request, asked | {"severity": each}) for each in severities),
    )
    none_fits = None
    if not any(each.items or each.refusal for each in found):
        none_fits = await _of(request, asked)
    state = asked["state"]
    return request.page(
        "issues.html",
        found[0].status,
        none_fits=none_fits,
        asked=asked,
        chosen={name: value for name, value in asked.items() if name in request.query},
        key=new_key(),
        views=[(label, f"{LIST}{to}", is_now(state, to)) for label, to in VIEWS],
        severities=SEVERITIES,
        states=STATES,
        checks=checks["items"],
        lists=dict(zip(severities, found, strict=True)),
    )


async def issue(request: PageRequest, refusal: Refusal | None = None) -> Response:
    """One issue with its evidence and history."""
    name = _name(request)
    row, past = await asyncio.gather(
        request.api.get(f"/issues/{part(name)}"), history(request, "/issues", name)
    )
    return request.form_page("issue.html", refusal, issue=row, links=LINKS, history=past)


async def decide(request: PageRequest, action: str) -> Response:
    """Resolve or reopen; the API's refusal is shown at the form."""
    fields, name = await request.form(), part(_name(request))
    body = {"reason": fields.get("reason", "").strip()}
    answer, refusal = await sent(
        request.api.post(f"/issues/{name}/{action}", body, key=fields.get("key")), action, fields
    )
    if refusal:
        return await issue(request, refusal)
    await request.wait_for(answer["position"], f"/issues/{name}")
    return done(request, f"{LIST}/{name}", told_of(answer, TOLD[action]))


async def run(request: PageRequest) -> Response:
    """Run all checks now, and tell what came of it."""
    await request.form()
    report = await request.api.post("/checks/run", {})
    await request.wait_for(report["position"], "/checks")
    return done(request, LIST, _told(report))


async def decide_many(request: PageRequest) -> Response:
    """Resolve or reopen those that were chosen, one by one, with one reason; report on each."""
    fields = await request.form()
    action = fields.get("action", "")
    if action not in TOLD:
        raise Problem(422, {"title": "Choose what to do: resolve or reopen."})
    names = [name.removeprefix(CHOSEN) for name in fields if name.startswith(CHOSEN)]
    asked = [Deed(name, f"/issues/{part(name)}/{action}") for name in names]
    report = await outcomes_of(request, asked, fields, "/issues")
    return report_page(
        request,
        report,
        fields,
        title="Issues resolved" if action == "resolve" else "Issues reopened",
        noun="issue",
        back=("Issues", LIST),
        names=dict(await asyncio.gather(*(_finding(request, name) for name in names))),
    )


async def _finding(request: PageRequest, name: str) -> tuple[str, str]:
    """An issue and what it found; its id where that cannot be asked for now."""
    with suppress(Problem):
        return name, finding((await request.api.get(f"/issues/{part(name)}"))["sentence"])
    return name, name


def is_now(state: str, to: str) -> bool:
    """Whether the tab of an address is that of the issues in this state."""
    return to == VIEW_OF.get(state)


async def _of(request: PageRequest, asked: dict[str, str]) -> Listed:
    """A page of one severity; only where it was asked for alone does it go on."""
    if request.query.get("severity"):
        return await listed(request, "/issues", asked, totals=True)
    return await listed(request, "/issues", asked, limit=FIRST, cursor=None, totals=True)


def _told(report: dict[str, Any]) -> str:
    checks: list[dict[str, Any]] = report["checks"]
    opened, reopened, resolved = (
        sum(each[what] for each in checks) for what in ("opened", "reopened", "resolved")
    )
    names: list[str] = report["crashed_checks"]
    crashed = f" No answer from: {', '.join(names)}." if names else ""
    kept = sum(each["withheld"] for each in checks)
    withheld = f" {kept} found no more, but not resolved: their checks read what is damaged."
    issues, are = "issue" if opened == 1 else "issues", "is" if report["open"] == 1 else "are"
    return (
        f"{len(checks)} checks ran: {opened} {issues} opened, {reopened} reopened,"
        f" {resolved} resolved; {report['open']} {are} open.{withheld if kept else ''}{crashed}"
    )


def _name(request: PageRequest) -> str:
    return request.path_params["id"]


routes = [
    view(LIST, issues, takes=("state", "severity", *TEXTS, *LISTED)),
    view(f"{LIST}/decide", decide_many, methods=("POST",)),
    view("/console/checks/run", run, methods=("POST",)),
    view(f"{LIST}/{{id}}", issue, takes=LISTED),
    *(
        view(f"{LIST}/{{id}}/{each}", partial(decide, action=each), methods=("POST",))
        for each in TOLD
    ),
]
