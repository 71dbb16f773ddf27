"""MSMF's route for requests in words."""

import pytest
from function_house import House

from orchestrator.calls import FunctionClient
from orchestrator.errors import PeerRefused


def test_msmf_makes_a_document_of_words(house: House) -> None:
    client: FunctionClient = house.msmf
    answer = client.post("/request-documents", {"text": "treasure hunt for eight kids, no lag"}, "words:1")
    assert answer["document"] == {
        "schema": "s4m/request/2",
        "service": "beach-game",
        "scenario": "game",
        "users": 8,
        "qoe": {"latency_ms": 1.5},
    }
    assert house.rows("SELECT * FROM service_requirements") == []


@pytest.mark.parametrize("body", [{"text": "x" * 2001}, {}, {"text": 5}])
def test_msmf_refuses_what_is_no_request_in_words(house: House, body: dict[str, object]) -> None:
    with pytest.raises(PeerRefused):
        house.msmf.post("/request-documents", body, "words:2")
