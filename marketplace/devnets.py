"""Whether this marketplace stands on a devnet: faucet and burner wallet exist there and nowhere else."""

from __future__ import annotations

from ledger.devnet import DEVNET_CHAIN_ID
from ledger.errors import LedgerError
from marketplace.parts import Parts


def is_devnet(parts: Parts) -> bool:
    """The chain is a devnet by its id, and the deployment's money is its own test credit, which has a faucet.

    Blocking: asks the node once. A local copy of a real chain has neither the id nor such money.
    """
    if parts.deployment.chain_id != DEVNET_CHAIN_ID:
        return False
    try:
        return parts.contracts.credit.faucet_limit() > 0
    except LedgerError:
        return False
