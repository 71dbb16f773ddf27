"""Resource vectors: whole amounts, the unit in the name. Pure arithmetic for whatever is supplied or consumed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from operator import add, attrgetter, sub
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

BEYOND = 2**40
"""No amount is as large: sums of millions of them still fit the tables' integers."""


@dataclass(frozen=True, slots=True)
class ResourceVector:
    """Amounts of the resources of Table I: computing (1/1000 core), bandwidth (Mb/s), protocol stack (sessions),
    rendering capacity (K), storage (MiB) and spectrum (MHz)."""

    computing_mcores: int = 0
    bandwidth_mbps: int = 0
    protocol_stack_sessions: int = 0
    rendering_k: int = 0
    storage_mib: int = 0
    spectrum_mhz: int = 0

    @classmethod
    def of(cls, amounts: "Mapping[str, Any] | ResourceVector") -> "ResourceVector":
        """The vector with these amounts; ValueError for an unknown name, a fractional, negative or boundless amount."""
        if isinstance(amounts, ResourceVector):
            return amounts
        for name, amount in amounts.items():
            if name not in RESOURCES:
                raise ValueError(f"unknown resource {name!r}; the resources are {', '.join(RESOURCES)}")
            if isinstance(amount, bool) or not isinstance(amount, int) or not 0 <= amount < BEYOND:
                raise ValueError(f"{name} must be a whole number from 0 to under 2^40, not {amount!r}")
        return cls(**amounts)

    def __add__(self, other: "ResourceVector") -> "ResourceVector":
        return ResourceVector(*map(add, _values(self), _values(other)))

    def __sub__(self, other: "ResourceVector") -> "ResourceVector":
        return ResourceVector(*map(sub, _values(self), _values(other)))

    def __mul__(self, factor: int) -> "ResourceVector":
        return ResourceVector(*(amount * factor for amount in _values(self)))

    def most(self, other: "ResourceVector") -> "ResourceVector":
        """Of each resource, the larger amount of both."""
        return ResourceVector(*(max(a, b) for a, b in zip(_values(self), _values(other), strict=True)))

    def __bool__(self) -> bool:
        return any(_values(self))

    def fits(self, room: "ResourceVector") -> bool:
        """Whether every amount is within `room`."""
        return (
            self.computing_mcores <= room.computing_mcores
            and self.bandwidth_mbps <= room.bandwidth_mbps
            and self.protocol_stack_sessions <= room.protocol_stack_sessions
            and self.rendering_k <= room.rendering_k
            and self.storage_mib <= room.storage_mib
            and self.spectrum_mhz <= room.spectrum_mhz
        )

    def shortfall(self, room: "ResourceVector") -> dict[str, int]:
        """What `room` lacks to hold this, by name; empty when it fits."""
        return {name: wanted - there for name, wanted, there in self.beyond(room)}

    def beyond(self, room: "ResourceVector") -> list[tuple[str, int, int]]:
        """Name, amount here and amount there of each resource that is wanted and of which `room` has less."""
        both = zip(RESOURCES, _values(self), _values(room), strict=True)
        return [(name, wanted, there) for name, wanted, there in both if wanted and wanted > there]

    def least(self, other: "ResourceVector") -> "ResourceVector":
        """Of each resource the smaller amount."""
        return ResourceVector(*map(min, _values(self), _values(other)))

    def only(self, names: "ResourceVector") -> "ResourceVector":
        """The amounts of those resources of which `names` has some; the rest is 0."""
        there = names.amounts()
        return ResourceVector(**{name: amount for name, amount in self.amounts().items() if name in there})

    def amounts(self) -> dict[str, int]:
        """The amounts that are not 0, by name."""
        return {name: amount for name, amount in self.all_amounts().items() if amount}

    def all_amounts(self) -> dict[str, int]:
        """All amounts, by name."""
        return dict(zip(RESOURCES, _values(self), strict=True))


RESOURCES: tuple[str, ...] = tuple(field.name for field in fields(ResourceVector))
"""The names of all resources, in their fixed order."""

_values: Callable[[ResourceVector], tuple[int, ...]] = attrgetter(*RESOURCES)

Resources = Annotated[
    ResourceVector,
    BeforeValidator(lambda value: ResourceVector.of(value) if isinstance(value, Mapping) else value),
    PlainSerializer(lambda value: value.amounts(), return_type=dict[str, int]),
]
"""A resource vector inside a pydantic model: JSON holds only the amounts that are not 0."""
