"""The catalogue of read models: every module in `projections` that declares a `projection`."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import pkgutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from graphlib import TopologicalSorter
from types import ModuleType

import ledger.domain.billing_facts
import ledger.domain.events
import ledger.domain.facts
import projections
import projections.engine.declare
from ledger.errors import UnknownProjection
from projections.engine.declare import AnyTable, Derived, Journal, Mirror, Projection, Rollup

# A change in one of these may change what any read model makes of the log.
SHARED: tuple[ModuleType, ...] = (
    ledger.domain.events,
    ledger.domain.facts,
    ledger.domain.billing_facts,
    projections.engine.declare,
)


@dataclass(frozen=True)
class Registry:
    """Projections in an order in which each comes after those that it reads."""

    projections: tuple[Projection, ...]

    @staticmethod
    def of(declared: Iterable[Projection]) -> Registry:
        """A registry of these, put into order."""
        by_name = {projection.name: projection for projection in declared}
        graph = {name: projection.reads for name, projection in by_name.items()}
        return Registry(tuple(by_name[name] for name in TopologicalSorter(graph).static_order()))

    def __iter__(self) -> Iterator[Projection]:
        return iter(self.projections)

    @cached_property
    def by_name(self) -> dict[str, Projection]:
        """The projections by name."""
        return {projection.name: projection for projection in self.projections}

    @cached_property
    def tables(self) -> dict[str, AnyTable]:
        """All tables by name, in the order in which they are written."""
        return {table.name: table for projection in self for table in projection.tables}

    def pick(self, names: Sequence[str]) -> Registry:
        """Those with these names and whatever is connected to them by reading; all for no name."""
        for name in names:
            if name not in self.by_name:
                known = ", ".join(self.by_name)
                raise UnknownProjection(f"There is no projection {name!r}; there are {known}.")
        return self.only(self.connected(set(names) or set(self.by_name)))

    def only(self, names: Iterable[str]) -> Registry:
        """Exactly those with these names."""
        chosen = set(names)
        return Registry(tuple(p for p in self.projections if p.name in chosen))

    def connected(self, names: set[str]) -> set[str]:
        """These, what they read and what reads them, and so on."""
        grown = {p.name for p in self if p.name in names or names & set(p.reads)}
        grown |= {read for name in grown for read in self.by_name[name].reads}
        return names if grown == names else self.connected(grown)

    def independent_groups(self) -> list[Registry]:
        """The parts that do not read each other."""
        found = {frozenset(self.connected({name})) for name in self.by_name}
        return [self.only(names) for names in found]

    def with_reads(self, names: Iterable[str]) -> Registry:
        """These projections and those whose tables they read, directly or not."""
        chosen = set(names)
        grown = chosen.union(*(self.by_name[name].reads for name in chosen))
        return self.only(chosen) if grown == chosen else self.with_reads(grown)

    def readers(self, names: set[str]) -> set[str]:
        """These, and all that read their tables, directly or not."""
        grown = names | {p.name for p in self if names & set(p.reads)}
        return names if grown == names else self.readers(grown)


@lru_cache
def discover() -> Registry:
    """All read models of this product."""
    modules = (
        importlib.import_module(f"projections.{module.name}")
        for module in pkgutil.iter_modules(projections.__path__)
        if not module.ispkg
    )
    found = [
        p for module in modules if isinstance(p := getattr(module, "projection", None), Projection)
    ]
    return Registry.of(found)


@lru_cache
def version(registry: Registry, name: str, reader: str, time_zone: str) -> str:
    """What makes a read model: its source and what it shares, what it reads, and the reader.

    `reader` is the fingerprint of the translator, its settings included; the reporting time zone
    matters where days are cut.
    """
    projection = registry.by_name[name]
    source = _source(projection)
    sources = [*map(inspect.getsource, SHARED), source]
    if "business_day" in source:
        sources.append(time_zone)
    read = [version(registry, other, reader, time_zone) for other in projection.reads]
    return hashlib.sha256("\n".join([reader, *sources, *read]).encode()).hexdigest()[:16]


def _source(projection: Projection) -> str:
    """That of the handlers' modules, of the domain's functions there, and of derived tables."""
    modules = {inspect.getmodule(handler) for handler in projection.handlers.values()}
    called = {
        function
        for module in modules
        for function in vars(module).values()
        if inspect.isfunction(function) and function.__module__.startswith("ledger.domain.")
    }
    sources = sorted(inspect.getsource(each) for each in {*modules, *called} if each)
    sources += [t.view + t.touched for t in projection.tables if isinstance(t, Derived)]
    sources += [t.contribution for t in projection.tables if isinstance(t, Rollup)]
    return "\n".join(sources)


def bases(projection: Projection) -> list[Mirror | Journal]:
    """The tables of a projection that its handlers write."""
    return [table for table in projection.tables if isinstance(table, Mirror | Journal)]
