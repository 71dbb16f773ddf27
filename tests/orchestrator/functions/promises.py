"""What the rows promise to those who pay for it: apartness by the degree of isolation, and reserved room.

Each takes the tables' rows by name, asserts, and answers nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.resources import Isolation
from orchestrator.resources.vector import RESOURCES

Tables = Mapping[str, Sequence[Mapping[str, Any]]]


def isolation_is_kept(tables: Tables) -> None:
    """Section V-A: degree 2 has an MSI and model instances of its own, degree 1 shares within its cluster only."""
    msis = {row["msi_id"]: row for row in tables["msis"]}
    instances = {row["instance_id"]: row for row in tables["model_instances"]}
    held: dict[str, list[str]] = {}
    for share in tables["shares"]:
        if share["state"] == "running":
            held.setdefault(share["msi_id"], []).append(share["subscription_id"])
            _is_where_it_may_be(share["requirements"], msis[share["msi_id"]])
    for name, shares in held.items():
        assert msis[name]["isolation"] != Isolation.DEDICATED or len(shares) == 1, (msis[name], shares)
    users: dict[str, set[str]] = {}
    for use in tables["uses"]:
        users.setdefault(use["instance_id"], set()).add(use["msi_id"])
    for name, of in users.items():
        _serves_only_whom_it_may(instances[name], [msis[one] for one in of])


def _is_where_it_may_be(wanted: Mapping[str, Any], msi: Mapping[str, Any]) -> None:
    """A share's MSI is as apart as it asks for, and dedicated to nobody who did not ask."""
    assert msi["isolation"] >= wanted["isolation"], (wanted, msi)
    assert (msi["isolation"] == Isolation.DEDICATED) == (wanted["isolation"] == Isolation.DEDICATED), (wanted, msi)
    assert msi["cluster"] == wanted["serviceType"], (wanted, msi)


def _serves_only_whom_it_may(one: Mapping[str, Any], msis: Sequence[Mapping[str, Any]]) -> None:
    match Isolation(one["isolation"]):
        case Isolation.DEDICATED:
            assert [msi["msi_id"] for msi in msis] == [one["msi_id"]], (one, msis)
            assert msis[0]["isolation"] == Isolation.DEDICATED, (one, msis)
        case Isolation.CLUSTER:
            assert {msi["cluster"] for msi in msis} == {one["cluster"]}, (one, msis)
            assert {msi["isolation"] for msi in msis} <= {Isolation.SHARED, Isolation.CLUSTER}, (one, msis)
        case Isolation.SHARED:
            assert {msi["isolation"] for msi in msis} == {Isolation.SHARED}, (one, msis)


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
