"""What a refusal says would do, does: the sentence is followed to the letter and the same request is feasible."""

import re
from typing import Any

import pytest
from function_house import House

from orchestrator.errors import PeerRefused
from orchestrator.explanation import explanation, feasible_if

ROW = {"subscription_id": "1", "plan_id": "1", "state": "refused", "chain_status": "purchased", "times": {}}


def refusal_of(house: House, subscription: int, service: str, **request: Any) -> dict[str, Any]:
    with pytest.raises(PeerRefused) as refused:
        house.instantiate(subscription, service, **request)
    return refused.value.reason


def explained(house: House, subscription: int, **outcome: Any) -> dict[str, Any]:
    """As the orchestrator composes it, from what MSMF and MMF kept."""
    of_it = {"subscriptionId": str(subscription)}
    translated = house.msmf.get("/service-requirements", of_it)["requirements"]
    row: Any = {**ROW, "subscription_id": str(subscription), "outcome": outcome}
    return explanation(row, translated, house.mmf.get("/offers", of_it)["offers"])


def test_the_latency_that_is_named_is_enough(house: House) -> None:
    refusal = refusal_of(house, 1, "rendering-server", qoe={"latency_ms": 0.3})
    told = explained(house, 1, refusal=refusal)
    assert told["feasibleIf"] == ["ask for at most 0.4 ms of latency instead of 0.3 ms"]
    assert not house.instantiate(2, "rendering-server", qoe={"latency_ms": 0.4})["reused"]


def test_the_rate_that_is_named_is_enough(house: House) -> None:
    refusal = refusal_of(house, 1, "virtual-beach-travel", qoe={"rate_mbps": 15_000}, users=2)
    told = explained(house, 1, refusal=refusal)
    assert any("more site with 10,000 Mb/s of bandwidth" in said for said in told["feasibleIf"])
    most = next(
        int(found[1].replace(",", "")) for said in told["feasibleIf"] if (found := re.search(r"most ([\d,]+) Mb", said))
    )
    assert house.instantiate(2, "virtual-beach-travel", qoe={"rate_mbps": most}, users=2)["state"] == "running"


def test_an_accepted_request_shows_every_step_with_its_proof(house: House) -> None:
    house.instantiate(1, "monitoring", isolation=2)
    share = house.instantiate(2, "monitoring", qoe={"latency_ms": 5})
    told = explained(house, 2, decision=share["decision"])
    assert told["requirements"]["qoe"]["latency_ms"] == 5
    assert [lack["kind"] for one in told["decision"]["msiCandidates"] for lack in one["lacks"]] == [
        "isolation",
        "shares",
    ]
    models = told["decision"]["models"]
    assert models["gap"] == 0.0
    assert models["objective"] == models["bound"]
    assert [one["cost"] for one in models["reasons"]["model"] if one["chosen"]] == [
        models["objective"] and cost_of(models)
    ]
    assert [offer["state"] for offer in told["offers"]] == ["accepted"]
    assert told["offers"][0]["decision"]["objective"] == models["objective"]
    assert told["refusal"] is None
    assert told["feasibleIf"] == []


def cost_of(models: dict[str, Any]) -> int:
    """Revenue is ten times the use at degree 0: what is left of it after the objective is what was spent."""
    chosen = next(one for one in models["reasons"]["model"] if one["chosen"])
    use = (models["objective"] + chosen["cost"]) // 10
    assert use * 10 - chosen["cost"] == models["objective"]
    return int(chosen["cost"])


def test_a_refused_request_shows_what_its_offer_lacked(house: House) -> None:
    refusal = refusal_of(house, 1, "virtual-beach-travel", isolation=2, qoe={"latency_ms": 0.1})
    told = explained(house, 1, refusal=refusal)
    assert "decision" not in told["refusal"]
    assert told["decision"]["models"]["feasible"] is False
    assert set(told["decision"]["models"]["needed"]) == set(refusal["needed"])
    assert [offer["state"] for offer in told["offers"]] == ["refused"]
    assert told["feasibleIf"][0].startswith("ask for at most ")


def test_every_kind_of_lack_has_its_sentence() -> None:
    def lack(kind: str, name: str, needed: Any, available: Any) -> dict[str, Any]:
        return {"kind": kind, "name": name, "needed": needed, "available": available, "unit": ""}

    needed = {
        "render": [lack("resource", "computing_mcores", 300, 100), lack("isolation", "degree", 2, "0, 1")],
        "link": [lack("shares", "max_shares", 17, 16)],
        "cache": [lack("model", "edge-cache", "an instance or a node to run one on", "none")],
    }
    assert feasible_if({"code": "infeasible", "needed": needed}, None) == [
        "1 more site with 200 mcores of computing, or as much set free",
        "ask for isolation degree 0 or 1: render offers no other",
        "wait until a share of link is released, or add an instance (max_shares is 16)",
        "cache: an instance or a node to run one on for the model edge-cache",
    ]


@pytest.mark.parametrize("code", ["document_missing", "start_failed", "sandbox_unavailable", "malformed_request"])
def test_a_refusal_without_lacks_says_what_to_do_by_its_code(code: str) -> None:
    assert len(feasible_if({"code": code, "detail": "…"}, None)) == 1
    assert feasible_if({"code": "nobody_knows_this"}, None) == []
