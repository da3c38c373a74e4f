"""Projections in the console: where they stand, proven and rebuilt with the progress told."""

import re

import pytest
from httpx2 import Response

from ledger.domain.access import Role
from tests.console.service import Service, words
from tests.support.waiting import wait_for

LIST = "/console/projections"


def ended(service: Service, page: Response) -> Response:
    """A proof's or rebuild's page once it no longer runs; until then it asks again by itself."""

    def is_over() -> bool:
        text = service.look(page.url.path, htmx=True).text
        assert "<html" not in text
        return 'hx-trigger="every 1s"' not in text

    wait_for(is_over)
    return service.look(page.url.path)


def test_every_projection_is_shown_with_its_version(service: Service) -> None:
    text = service.see(LIST)
    assert re.search(r"Orders Up to date [0-9a-f]{16} [\d,]+ 0 –", text)


@pytest.mark.parametrize(
    ("role", "may_prove", "may_rebuild"),
    [(Role.OPS, False, False), (Role.AUDITOR, True, False), (Role.ADMIN, True, True)],
)
def test_each_role_is_offered_what_it_may(
    service: Service, role: Role, may_prove: bool, may_rebuild: bool
) -> None:
    service.enter(role)
    page = service.look(LIST)
    assert ("Prove them now" in page.text) == may_prove
    assert ("Rebuild now" in page.text) == may_rebuild
    if not may_rebuild:
        assert service.send(page, "/console/rebuilds").status_code == 403


def test_a_proof_ends_with_the_digest_of_every_table(service: Service) -> None:
    service.enter(Role.AUDITOR)
    begun = service.send(service.look(LIST), "/console/proofs", reason="the year's end")
    assert re.fullmatch(r"/console/proofs/[0-9a-f]{32}", begun.url.path)
    text = words(ended(service, begun).text)
    assert re.search(r"State Proven Asked for by auditor here", text)
    assert re.search(r"All \d+ tables are what the [\d,]+ events of the log say", text)
    assert re.search(r"Order lines [0-9a-f]{64}", text)


def test_a_rebuild_ends_with_what_took_its_place(service: Service) -> None:
    service.enter(Role.ADMIN)
    fields = {"only.stock": "yes", "reason": "to try it"}
    begun = service.send(service.look(LIST), "/console/rebuilds", **fields)
    assert "Rebuild of stock" in begun.text
    text = words(ended(service, begun).text)
    assert re.search(r"Rebuilt from [\d,]+ events, and in their place: .*Stock", text)


def test_there_is_no_page_of_what_nobody_began(service: Service) -> None:
    service.enter(Role.ADMIN)
    for path in ("/console/proofs/none", "/console/rebuilds/none"):
        assert service.look(path).status_code == 404
