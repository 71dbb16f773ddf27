"""From a request to a running share and back, through all three functions."""

import time

from tests.orchestrator.functions.conftest import House


def test_first_service_gets_a_new_msi_with_running_models(house: House) -> None:
    t = time.time()
    share = house.instantiate(1)
    print("create", time.time() - t)
    assert not share["reused"]
    for n in range(2, 6):
        t = time.time()
        house.instantiate(n)
        print("reuse", time.time() - t)
    t = time.time()
    print(house.release(1), time.time() - t)
