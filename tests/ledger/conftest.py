"""A chain of its own for a test that reorganises, holds or stops it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ledger.chain import Chain
from ledger.devnet import Devnet
from ledger.keys import WalletKey


@pytest.fixture
def own_devnet() -> Iterator[Devnet]:
    """Three slots in an epoch: the final block is six behind the newest."""
    with Devnet.start(slots_in_an_epoch=3) as running:
        yield running


@pytest.fixture
def own_chain(own_devnet: Devnet) -> Iterator[Chain]:
    connected = Chain.connect(own_devnet.rpc_url)
    yield connected
    connected.close()


@pytest.fixture
def own_key(own_devnet: Devnet) -> WalletKey:
    key = WalletKey.create()
    own_devnet.fund(key.address)
    return key
