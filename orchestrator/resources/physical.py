"""Writes a topology down as physical nodes: sites and links with what their operator supplies. Used at the start.

Links are nodes like sites, so the same CHECK and triggers keep them from being over-allocated.
"""

import sqlalchemy as sa

from orchestrator.errors import OrchestratorError
from orchestrator.resources.pool import LINKS, NODES, SUPPLIES, OverAllocated, supply, withdraw
from orchestrator.resources.topology import Topology

SUPPLIER = "topology/"
"""Before a node's id: the supplier of what its operator has there."""


class TopologyInUse(OrchestratorError):
    """The topology that is to be lacks a site or a link on which something stands. Nothing was changed."""

    code = "topology_in_use"
    status = 409
    title = "The topology cannot be changed now"


def establish(rows: sa.Connection, topology: Topology) -> None:
    """Make the nodes and links be those of this topology. Repeating changes nothing.

    What is no longer in it gives nothing any more; TopologyInUse while that would leave something without its room.
    """
    try:
        _drop(rows, {*(site.name for site in topology.sites), *(link.link_id for link in topology.links)})
        _add(rows, topology)
    except OverAllocated as cause:
        raise TopologyInUse(
            f"The pool cannot become {topology.name}: {cause} Or start with the topology that was there before."
        ) from cause


def _drop(rows: sa.Connection, kept: set[str]) -> None:
    suppliers = rows.scalars(sa.select(SUPPLIES.c.supplier).where(SUPPLIES.c.supplier.startswith(SUPPLIER))).all()
    for supplier in suppliers:
        node_id = supplier.removeprefix(SUPPLIER)
        if node_id not in kept:
            withdraw(rows, supplier)
            rows.execute(sa.delete(LINKS).where(LINKS.c.link_id == node_id))
            rows.execute(sa.delete(NODES).where((NODES.c.node_id == node_id) & (NODES.c.kind == "link")))


def _add(rows: sa.Connection, topology: Topology) -> None:
    ways = topology.paths()
    for site in topology.sites:
        supply(rows, SUPPLIER + site.name, site.name, site.capacity)
        _stands(rows, site.name, ways[site.name].latency_ms)
    known = set(rows.scalars(sa.select(LINKS.c.link_id)))
    for link in topology.links:
        supply(rows, SUPPLIER + link.link_id, link.link_id, link.capacity, kind="link")
        _stands(rows, link.link_id, link.latency_ms)
        values = {"a": link.a, "b": link.b, "length_km": link.length_km}
        if link.link_id in known:
            rows.execute(sa.update(LINKS).where(LINKS.c.link_id == link.link_id).values(**values))
        else:
            rows.execute(sa.insert(LINKS).values(link_id=link.link_id, **values))


def _stands(rows: sa.Connection, node_id: str, latency_ms: float) -> None:
    rows.execute(sa.update(NODES).where(NODES.c.node_id == node_id).values(latency_ms=latency_ms))
