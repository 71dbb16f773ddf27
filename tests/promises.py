"""What the rows promise to those who pay for it: apartness by the degree of isolation, and reserved room.

Each takes the tables' rows by name, asserts, and answers nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.resources import Isolation
from orchestrator.resources.vector import RESOURCES

Tables = Mapping[str, Sequence[Mapping[str, Any]]]


def isolation_is_kept(tables: Tables) -> None:
    """Section V-A, of every running share: at degree 2 its MSI and models are its own, at degree 1 its cluster's.

    A share of degree 0 that joined its cluster's MSI of degree 1 may use what everybody uses: it was promised no more.
    """
    msis = {row["msi_id"]: row for row in tables["msis"]}
    instances = {row["instance_id"]: row for row in tables["model_instances"]}
    shares = {row["subscription_id"]: row for row in tables["shares"] if row["state"] == "running"}
    held: dict[str, list[Mapping[str, Any]]] = {}
    for share in shares.values():
        held.setdefault(share["msi_id"], []).append(share)
    for name, mine in held.items():
        _takes_only_whom_it_may(msis[name], mine)
    users: dict[str, list[Mapping[str, Any]]] = {}
    for use in tables["uses"]:
        users.setdefault(use["instance_id"], []).append(shares[use["subscription_id"]])
    for name, mine in users.items():
        _takes_only_whom_it_may(instances[name], mine)
        assert instances[name]["isolation"] != Isolation.DEDICATED or mine[0]["msi_id"] == instances[name]["msi_id"]


def _takes_only_whom_it_may(one: Mapping[str, Any], shares: Sequence[Mapping[str, Any]]) -> None:
    """Of an MSI or a model instance: the degrees and clusters of whoever shares it."""
    degrees = {share["requirements"]["isolation"] for share in shares}
    clusters = {share["requirements"]["serviceType"] for share in shares}
    match Isolation(one["isolation"]):
        case Isolation.DEDICATED:
            assert degrees == {Isolation.DEDICATED}, (one, shares)
            assert len({share["subscription_id"] for share in shares}) == 1, (one, shares)
        case Isolation.CLUSTER:
            assert degrees <= {Isolation.SHARED, Isolation.CLUSTER}, (one, shares)
            assert clusters == {one["cluster"]}, (one, shares)
        case Isolation.SHARED:
            assert degrees == {Isolation.SHARED}, (one, shares)


def reservations_are_kept(tables: Tables) -> None:
    """What is drawn is allocated to the cluster that reserved it, and what is not drawn is nobody else's."""
    kept = {row["reservation_id"]: row for row in tables["reservations"]}
    for name, row in kept.items():
        parts = [one for one in tables["allocations"] if one["reservation_id"] == name]
        for part in parts:
            assert (part["node_id"], _cluster_of(tables, part)) == (row["node_id"], row["cluster"]), (part, row)
        for resource in RESOURCES:
            drawn = row[f"drawn_{resource}"]
            assert drawn == sum(part[resource] for part in parts), (row, parts)
            assert drawn == row[resource] if row["ended"] else drawn <= row[resource], row
    for node in tables["nodes"]:
        mine = [row for row in kept.values() if row["node_id"] == node["node_id"]]
        for resource in RESOURCES:
            left = sum(row[resource] - row[f"drawn_{resource}"] for row in mine)
            assert node[f"reserved_{resource}"] == left, (node, mine)
            assert node[f"used_{resource}"] + left <= node[f"capacity_{resource}"], (node, mine)


def _cluster_of(tables: Tables, allocation: Mapping[str, Any]) -> str:
    """Of the share that holds it, or of the instance that holds it for itself."""
    if not allocation["subscription_id"]:
        [found] = [row for row in tables["model_instances"] if row["instance_id"] == allocation["instance_id"]]
        return str(found["cluster"])
    [share] = [row for row in tables["shares"] if row["subscription_id"] == allocation["subscription_id"]]
    [msi] = [row for row in tables["msis"] if row["msi_id"] == share["msi_id"]]
    return str(msi["cluster"])
