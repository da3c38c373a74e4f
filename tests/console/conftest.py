"""A service for all tests of a module."""

from collections.abc import Callable, Iterator

import pytest

from ledger.domain.access import Role
from tests.console.service import Service, open_service
from tests.support.servers import Server


@pytest.fixture(scope="module")
def shared_house(servers: Callable[[str], Server]) -> Iterator[Service]:
    with open_service(servers) as service:
        yield service


@pytest.fixture
def service(shared_house: Service) -> Service:
    """The module's service, where an operator signed in again."""
    shared_house.enter(Role.OPS)
    return shared_house
