"""A house for all tests of a module."""

from collections.abc import Callable, Iterator

import pytest

from ledger.domain.access import Role
from tests.console.house import House, open_house
from tests.support.servers import Server


@pytest.fixture(scope="module")
def shared_house(servers: Callable[[str], Server]) -> Iterator[House]:
    with open_house(servers) as house:
        yield house


@pytest.fixture
def house(shared_house: House) -> House:
    """The module's house, where an operator signed in anew."""
    shared_house.enter(Role.OPS)
    return shared_house
