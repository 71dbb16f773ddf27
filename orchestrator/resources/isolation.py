"""Isolation degrees of section V-A and the rule who may share with whom. Used by placement (models) and VMOF (MSIs)."""

import enum


class Isolation(enum.IntEnum):
    """How apart a share is kept; the lower the degree, the easier to share."""

    SHARED = 0
    """Shared with everybody."""
    CLUSTER = 1
    """Shared only within the cluster: scheduling and logical isolation."""
    DEDICATED = 2
    """Own MSI with own model instances: own processes, own share of a node."""


def may_share(wanted: Isolation, wanted_cluster: str, offered: Isolation, offered_cluster: str) -> bool:
    """Whether a request of degree `wanted` may join what runs at degree `offered`, neither being the other's own.

    Joining must break neither side's promise: what is shared with everybody admits strangers, so a request of degree 1
    needs something that was made for one cluster only; a request of degree 0 may join that when it is of the cluster.
    """
    if Isolation.DEDICATED in (wanted, offered):
        return False
    if wanted > offered:
        return False
    return offered is Isolation.SHARED or wanted_cluster == offered_cluster
