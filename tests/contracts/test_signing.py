"""The message classes hash as the contracts do."""

from __future__ import annotations

from eip712.messages import hash_message
from house import ENDPOINT, House
from signing import ASSETS_NAME, Activation, Provenance, Voucher, domain


def test_messages_hash_as_the_contracts_do(house: House) -> None:
    subscription = house.plan << 32 | 1
    order = house.order(10, 1)
    assert house.market.hashOrder(tuple(order)) == hash_message(order)
    activation = Activation(subscriptionId=subscription, endpointHash=ENDPOINT, eip712_domain=house.domain)
    assert house.market.hashActivation(*activation) == hash_message(activation)
    voucher = Voucher(subscriptionId=subscription, units=7, usageRoot=ENDPOINT, eip712_domain=house.domain)
    assert house.market.hashVoucher(*voucher) == hash_message(voucher)
    provenance = Provenance(
        contentHash=ENDPOINT,
        creator=house.buyer.address,
        subscriptionId=subscription,
        uri="s4m:shell",
        eip712_domain=domain(ASSETS_NAME, house.assets, house.chain.chain_id),
    )
    assert house.assets.hashProvenance(*provenance) == hash_message(provenance)
