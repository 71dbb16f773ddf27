"""The transaction by which a local controller's proposal becomes the grants of one rendering server's shares.

Used by VMOF's workflow `grant`. It checks what may not be broken whatever is proposed: that the shares run on this
server, and that the sum is within what the server has now. A share may be given less than was allocated to it: what its
link or view cannot use is lent to its neighbours, until the next proposal or until a share joins or leaves, when
`grants.regrant` shares anew and nobody has less than was allocated to him.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import get_args

import sqlalchemy as sa

from orchestrator.errors import Refusal
from orchestrator.instances import take_turn
from orchestrator.instances.msis import rendered_by, write_grants
from orchestrator.requirements import GrantProposal, GrantsChanged, ServiceType
from orchestrator.resources.pool import capacity_of


class NotOfServer(Refusal):
    """The proposal names a share that does not run, or that another server renders for."""

    code = "share_not_of_server"
    title = "A share is not rendered for by this server"


class AboveSupply(Refusal):
    """The grants would pass what the server has."""

    code = "grants_above_supply"
    title = "More rendering than the server has"


def set_grants(rows: sa.Connection, proposal: GrantProposal) -> GrantsChanged:
    """Write the grants that differ; raises NotOfServer or AboveSupply and writes nothing."""
    for cluster in get_args(ServiceType):  # a server may render for shares of both
        take_turn(rows, cluster)
    shares = {share.subscription_id: share for share in rendered_by(rows, proposal.server)}
    now_k = {name: share.grant.rendering_k for name, share in shares.items()}
    _require_of_server(proposal, now_k)
    _require_supplied(proposal, now_k, capacity_of(rows, proposal.server).rendering_k)
    different = {name: k for name, k in proposal.grants.items() if k != now_k[name]}
    grants = {name: replace(shares[name].grant, rendering_k=k) for name, k in different.items()}
    write_grants(rows, grants)
    return GrantsChanged(
        server=proposal.server, grants=grants, msis={name: shares[name].msi_id for name in different}
    )  # fmt: skip


def _require_of_server(proposal: GrantProposal, now_k: Mapping[str, int]) -> None:
    strange = sorted(set(proposal.grants) - set(now_k))
    if strange:
        raise NotOfServer(
            f"{proposal.server} renders for no running share of {', '.join(strange[:5])}. Nothing was changed; "
            "look at GET /instances and propose anew.",
            server=proposal.server,
            subscriptions=strange,
        )


def _require_supplied(proposal: GrantProposal, now_k: Mapping[str, int], supply_k: int) -> None:
    wanted_k = sum({**now_k, **proposal.grants}.values())
    if wanted_k > supply_k:
        raise AboveSupply(
            f"With this {proposal.server} would give {wanted_k} K, it has {supply_k} K. Nothing was changed; propose "
            "less, or take from another of its shares in the same proposal.",
            server=proposal.server,
            wanted_k=wanted_k,
            supply_k=supply_k,
        )
