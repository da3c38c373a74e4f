"""What the console says where there is nothing, and up to where in the log it goes."""

import re

from ledger.domain.access import Role
from tests.console.service import Service
from tests.console.test_lists import LISTS


def test_every_list_says_why_it_is_empty_and_up_to_where_it_goes(service: Service) -> None:
    """A new shop: what is not there yet, and what would bring it."""
    service.enter(Role.ADMIN)
    for path in LISTS:
        page = service.see(f"/console/{path}")
        assert re.search(r"(No [\w ]+ yet, as of event|As of event) \d", page), path
    assert "No orders yet, as of event" in service.see("/console/orders")
    assert "Place one with ledger order place or POST /orders" in service.see("/console/orders")
    assert "No issues yet, as of event" in service.see("/console/issues?state=")
    assert "See the open ones" in service.see("/console/issues?state=")
    assert "See the open ones" not in service.see("/console/issues"), "these are the open ones"
    assert "find nothing" not in service.see("/console/issues"), "no check has run yet"
    service.order(id="A1")
    assert re.search(r"As of event \d", service.see("/console/orders"))
    assert re.search(r"As of event \d", service.see("/console/orders/A1"))
    assert "No orders with state=paid, as of event" in service.see("/console/orders?state=paid")
