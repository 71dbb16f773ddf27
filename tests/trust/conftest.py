"""A real chain with every component's key enrolled, and gates over real files."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from trust_yard import Clock, House, Yard, build_house

from ledger.contracts import Contracts
from ledger.devnet import Devnet
from ledger.keys import WalletKey
from ledger.sender import Sender
from trust.replay import ReplayStore


@pytest.fixture(scope="session")
def house(devnet: Devnet, contracts: Contracts, sender_of: Callable[[WalletKey], Sender]) -> House:
    return build_house(devnet, contracts, sender_of(WalletKey.create()))


@pytest.fixture
def yard(house: House, tmp_path: Path) -> Iterator[Yard]:
    enrolment = house.enrolment()
    with ReplayStore(tmp_path / "replay.db") as replay:
        yard = Yard(house, tmp_path, replay, enrolment, Clock(), {}, {7})
        yield yard
        for journal in yard.journals.values():
            journal.close()
    enrolment.close()


@pytest.fixture
def client_of() -> Callable[..., httpx.AsyncClient]:
    """In-process clients; ASGITransport holds nothing that would need closing."""

    def make(app: object, auth: httpx.Auth | None = None, base: str = "http://app") -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=base, auth=auth)  # type: ignore[arg-type]

    return make
