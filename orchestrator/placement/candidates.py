"""What placement may choose from: models on offer, instances that run, room on nodes. Frozen values, no rows."""

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.requirements import ServiceType
from orchestrator.resources import Isolation, ResourceVector


@dataclass(frozen=True, slots=True)
class ModelOption:
    """A model that can be instantiated: what an instance consumes and supplies, whom it can serve."""

    name: str
    consumes: ResourceVector
    supplies: ResourceVector
    max_shares: int
    isolation: frozenset[Isolation]
    latency_ms: float
    is_supply: bool = False
    """it is a part of the pool (infrastructure, platform): reused always, never created for a share"""
    max_scale: int = 2
    """how many times its first size an instance may be scaled to before a second one is created"""
    availability: float = 1.0
    """of an instance that is created now: by what was seen of all instances of the model"""


@dataclass(frozen=True, slots=True)
class RunningInstance:
    """A model instance that runs or is being started."""

    instance_id: str
    model: str
    node: str
    running: bool
    isolation: Isolation
    cluster: ServiceType
    msi: str
    """the MSI it is dedicated to, if any"""
    scale: int
    shares: int
    room: ResourceVector
    """what is free of its own supplies"""
    availability: float = 1.0
    """by what was seen of this instance"""
    slow_ms: float = 0.0
    """measured time to an answer, where it is noticeably above that of the model's quickest instance; else 0"""


@dataclass(frozen=True, slots=True)
class LinkRoom:
    """A link: what is free of its bandwidth and spectrum."""

    link: str
    free: ResourceVector


@dataclass(frozen=True, slots=True)
class NodeRoom:
    """A site: what is free there, and the way to it from where the user enters."""

    node: str
    free: ResourceVector
    latency_ms: float = 0.0
    """of the way, one way"""
    links: tuple[LinkRoom, ...] = ()
    """of the way, in order"""
    closed: str = ""
    """why nothing can be started there now, and what to do"""


@dataclass(frozen=True, slots=True)
class Candidates:
    """One consistent view of everything that can be chosen."""

    models: Mapping[str, ModelOption]
    instances: Mapping[str, tuple[RunningInstance, ...]]
    """model → its instances"""
    nodes: tuple[NodeRoom, ...]
