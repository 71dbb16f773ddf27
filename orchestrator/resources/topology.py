"""The physical world as a graph: sites joined by links, and the shortest way from an access site to each of them.

Read once at the start (`load_topology`), written down as nodes (`orchestrator.resources.physical`), and asked for paths
by MMF. Values only; scipy and topohub are imported where a topology with links is used, not before.

Latency of a link is that of light in its fibre, one way: length × group index ÷ speed of light. The speed of light is
exact (SI); the group index 1.4682 is that of standard single-mode fibre (ITU-T G.652) at 1,550 nm, from the data sheet
of Corning SMF-28 Ultra. So a kilometre costs 0.0049 ms. Queues and routers are not in it.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from pathlib import Path as File
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from orchestrator.errors import OrchestratorError
from orchestrator.resources.vector import ResourceVector

LIGHT_KM_PER_MS = 299.792458
GROUP_INDEX = 1.4682
FIBRE_MS_PER_KM = GROUP_INDEX / LIGHT_KM_PER_MS

SITE_CAPACITY = ResourceVector(
    computing_mcores=8000,
    bandwidth_mbps=20_000,
    protocol_stack_sessions=1024,
    rendering_k=160_000,
    storage_mib=16_384,
    spectrum_mhz=20_000,
)
"""Of a published topology's sites, which say nothing of it: what one infrastructure and one platform model supply."""
NOTHING = ResourceVector()
LINK_CAPACITY = ResourceVector(bandwidth_mbps=100_000, spectrum_mhz=50_000)
"""Of a published topology's links: one channel of 100 Gb/s in a slot of 50 GHz (ITU-T G.694.1)."""
SHORTEST_KM = 0.001
"""Published links between places with the same coordinates have no length: they get this one."""
SANDBOX = "sandbox"
"""The domain of a site that names none: sandboxes on this machine."""
SCHEMA = File(__file__).with_name("topology-1.schema.json")
PUBLISHED = re.compile(r"[a-z0-9]+(/[A-Za-z0-9_-]+)*")


class BadTopology(OrchestratorError):
    """The topology setting names nothing known, or its file breaks s4m/topology/1."""

    code = "bad_topology"
    status = 422
    title = "The topology cannot be used"


@dataclass(frozen=True, slots=True)
class Site:
    """A place where models run. `capacity` is what its operator has there beside what models supply."""

    name: str
    capacity: ResourceVector = NOTHING
    position: tuple[float, float] | None = None
    """longitude and latitude, degrees"""
    domain: str = SANDBOX
    """whose orchestrator starts what is placed there"""


@dataclass(frozen=True, slots=True)
class Link:
    """A fibre between two sites; its capacity serves both directions together."""

    a: str
    b: str
    length_km: float
    capacity: ResourceVector = LINK_CAPACITY

    @property
    def link_id(self) -> str:
        """Its name among the nodes."""
        return f"{self.a}--{self.b}"

    @property
    def latency_ms(self) -> float:
        """One way."""
        return self.length_km * FIBRE_MS_PER_KM


@dataclass(frozen=True, slots=True)
class Path:
    """The quickest way between two sites: its links in order and the sum of their latencies."""

    latency_ms: float = 0.0
    links: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Topology:
    """Sites and links; `access` is where users enter who name no site, and where the house's own models supply."""

    name: str
    access: str
    sites: tuple[Site, ...]
    links: tuple[Link, ...] = ()

    @property
    def domains(self) -> Mapping[str, str]:
        """Site → its domain."""
        return {site.name: site.domain for site in self.sites}

    def paths(self, access: str = "") -> Mapping[str, Path]:
        """Site → the quickest way to it from `access` (the default one where empty); nothing from an unknown site."""
        return _paths(self, access or self.access)


ONE_SITE = Topology("one-site", "site-1", (Site("site-1"),))
"""The default: one machine, no links."""


def load_topology(setting: str, access: str = "") -> Topology:
    """The topology that a setting names: empty = one site; a file (s4m/topology/1); else a name of the topohub package,
    `germany50` or `topozoo/Abilene`. `access` overrides its access site. Raises BadTopology."""
    if not setting:
        found = ONE_SITE
    elif setting.endswith(".json"):
        found = _from_file(File(setting))
    else:
        found = _published(setting, access)
    return _entered(found, access or found.access)


def parse_topology(document: Any) -> Topology:
    """The topology of an s4m/topology/1 document. Raises BadTopology, naming the worst place."""
    error = best_match(_validator().iter_errors(document))
    if error is not None:
        raise BadTopology(f"The topology is wrong at {error.json_path}: {error.message}. Correct it to s4m/topology/1.")
    sites = tuple(
        Site(
            one["name"],
            ResourceVector.of(one.get("capacity", {})),
            (one["position"][0], one["position"][1]) if "position" in one else None,
            one.get("domain", SANDBOX),
        )
        for one in document["sites"]
    )
    links = tuple(
        Link(
            one["a"],
            one["b"],
            float(one["length_km"]),
            ResourceVector(bandwidth_mbps=one["bandwidth_mbps"], spectrum_mhz=one["spectrum_mhz"]),
        )
        for one in document.get("links", ())
    )
    return _whole(Topology(document["name"], document.get("access", sites[0].name), sites, links))


def _from_file(file: File) -> Topology:
    try:
        return parse_topology(json.loads(file.expanduser().read_text("utf-8")))
    except (OSError, ValueError) as cause:
        raise BadTopology(f"{file} is no readable JSON document: {cause}. Give an s4m/topology/1 file.") from cause


def _published(name: str, access: str) -> Topology:
    """A topology of topohub. Its sites have SITE_CAPACITY, but for the access site: models supply there."""
    key = name if "/" in name else f"sndlib/{name}"
    if not PUBLISHED.fullmatch(key):
        raise BadTopology(f"{name!r} is no topology's name. Give a .json file, or a name as germany50.")
    try:
        document = json.loads(resources.files("topohub").joinpath(f"data/{key}.json").read_text("utf-8"))
    except OSError as cause:
        raise BadTopology(
            f"The topohub package has no topology {key}. Its groups are sndlib, topozoo, backbone, caida and gabriel."
        ) from cause
    names = _names(document["nodes"])
    entered = access or names[_busiest(document)]
    sites = tuple(
        Site(
            names[str(one["id"])],
            ResourceVector() if names[str(one["id"])] == entered else SITE_CAPACITY,
            (one["pos"][0], one["pos"][1]),
        )
        for one in document["nodes"]
    )
    links = tuple(
        Link(names[str(one["source"])], names[str(one["target"])], max(float(one["dist"]), SHORTEST_KM))
        for one in document["edges"]
    )
    return _whole(Topology(name, entered, sites, links))


def _names(nodes: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Id → name; where names are missing or come twice, the number makes them differ."""
    given = [str(one.get("name") or "site") for one in nodes]
    return {
        str(one["id"]): name if name != "site" and given.count(name) == 1 else f"{name}-{one['id']}"
        for one, name in zip(nodes, given, strict=True)
    }


def _busiest(document: Mapping[str, Any]) -> str:
    """The node from and to which most is sent by the topology's own traffic matrix; the first where it has none."""
    sent = {str(one["id"]): 0.0 for one in document["nodes"]}
    for source, demands in document["graph"].get("demands", {}).items():
        for target, amount in demands.items():
            sent[source] += amount
            sent[target] += amount
    return max(sent, key=sent.__getitem__)


def _whole(topology: Topology) -> Topology:
    """The topology, when names are unique, links join two of its sites, and every site can be reached."""
    names = [site.name for site in topology.sites]
    ids = [link.link_id for link in topology.links]
    for what, ones in (("site", names), ("link", [*ids, *(f"{link.b}--{link.a}" for link in topology.links)])):
        twice = sorted({one for one in ones if ones.count(one) > 1})
        if twice:
            raise BadTopology(f"{topology.name} has the {what} {twice[0]} twice. Give each once.")
    for link in topology.links:
        if not {link.a, link.b} <= set(names):
            raise BadTopology(f"{topology.name}: the link {link.link_id} joins a site that is not there. Add the site.")
    entered = _entered(topology, topology.access)
    cut_off = sorted(set(names) - set(entered.paths()))
    if cut_off:
        raise BadTopology(f"{topology.name}: no link leads from {topology.access} to {', '.join(cut_off)}. Add one.")
    return entered


def _entered(topology: Topology, access: str) -> Topology:
    if access not in {site.name for site in topology.sites}:
        raise BadTopology(f"{topology.name} has no site {access!r} for users to enter at. Name one of its sites.")
    return topology if access == topology.access else Topology(topology.name, access, topology.sites, topology.links)


@lru_cache(maxsize=1024)
def _paths(topology: Topology, access: str) -> Mapping[str, Path]:
    names = [site.name for site in topology.sites]
    if access not in names:
        return {}
    if not topology.links:
        return {access: Path()}
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import dijkstra

    number = {name: index for index, name in enumerate(names)}
    ends = [(number[link.a], number[link.b]) for link in topology.links]
    weights = ([link.latency_ms for link in topology.links], tuple(zip(*ends, strict=True)))
    graph = csr_array(weights, shape=(len(names), len(names)))
    latency, before = dijkstra(graph, directed=False, indices=number[access], return_predecessors=True)
    joining = {frozenset(pair): link.link_id for pair, link in zip(ends, topology.links, strict=True)}
    found: dict[str, Path] = {}
    for name, index in number.items():
        way: list[str] = []
        at = index
        while before[at] >= 0:
            way.append(joining[frozenset((at, int(before[at])))])
            at = int(before[at])
        if at == number[access]:
            found[name] = Path(float(latency[index]), tuple(reversed(way)))
    return found


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(json.loads(SCHEMA.read_text("utf-8")))
