"""The shop with its read endpoints, as for the engine's tests."""

from tests.projections.engine.conftest import counter, fresh_database, log

__all__ = ["counter", "fresh_database", "log"]
