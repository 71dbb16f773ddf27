"""/api/v1 as any client sees it: its document, its pages and searches, its idempotency keys."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import jsonschema
import pytest
from market_yard import Market

from ledger.keys import WalletKey
from marketplace.database import answers
from marketplace.idempotency import KeptAnswers
from trust.policy import Policy

BEACH = "virtual-beach-travel"


@pytest.fixture(scope="module")
def http(market: Market) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=market.url + "/api/v1") as client:
        yield client


@pytest.fixture(scope="module")
def openapi(http: httpx.Client) -> dict[str, Any]:
    return dict(http.get("/openapi.json").json())


def operations(openapi: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in openapi["paths"].items():
        for method, operation in item.items():
            yield method, path, operation


def test_every_route_of_the_policy_is_described(openapi: dict[str, Any]) -> None:
    described = {(method.upper(), path.count("/"), path.split("{")[0]) for method, path, _ in operations(openapi)}
    rows = [row for row in Policy.load().rows if row.app == "marketplace" and row.path.startswith("/api/v1/")]
    listed = {(row.method, row.path.count("/"), row.path.split("{")[0]) for row in rows}
    assert listed - described == {("GET", 3, "/api/v1/openapi.json")}
    assert openapi["openapi"].startswith("3.1")


def test_every_operation_has_examples_that_fit_its_schema(openapi: dict[str, Any]) -> None:
    checked = 0
    for method, path, operation in operations(openapi):
        assert operation["description"], (method, path)
        answered = [answer for status, answer in operation["responses"].items() if status.startswith("2")]
        for holder in (operation.get("requestBody", {}), *answered):
            for content in holder.get("content", {}).values():
                schema = {**content["schema"], "components": openapi["components"]}
                jsonschema.validate(content["example"], schema, cls=jsonschema.Draft202012Validator)
                checked += 1
    assert checked >= 25


def test_every_operation_names_its_problems_by_stable_codes(openapi: dict[str, Any]) -> None:
    for method, path, operation in operations(openapi):
        problems = [answer["content"] for status, answer in operation["responses"].items() if status[0] in "45"]
        assert problems, (method, path)
        for content in problems:
            assert all(example["value"]["code"] == code for code, example in
                       content["application/problem+json"]["examples"].items())  # fmt: skip


def ids(http: httpx.Client, path: str) -> tuple[list[str], str | None]:
    page = http.get(path).raise_for_status().json()
    return [item["modelId"] for item in page["items"]], page["next"]


def test_pages_put_together_are_the_whole_list(http: httpx.Client) -> None:
    whole, end = ids(http, "/models?limit=200")
    assert end is None
    assert len(whole) >= 36
    assert whole == sorted(whole, key=int)
    found: list[str] = []
    following: str | None = "/models?limit=7"
    while following:
        page, following = ids(http, following.removeprefix("/api/v1"))
        assert len(page) <= 7
        found += page
    assert found == whole


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x"])
def test_a_limit_is_bounded(http: httpx.Client, query: str) -> None:
    answer = http.get(f"/models?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_input")


@pytest.mark.parametrize("path", ["/models", "/subscriptions", "/assets", "/activity"])
@pytest.mark.parametrize("cursor", ["!", "e30", "W10", "WzFd"])
def test_a_foreign_cursor_is_refused(http: httpx.Client, path: str, cursor: str) -> None:
    answer = http.get(path, params={"cursor": cursor})
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_cursor")
    assert answer.json()["remedy"]


def test_pages_of_subscriptions_are_stable_while_others_buy(
    http: httpx.Client, market: Market, wallet: WalletKey
) -> None:
    buy = lambda: market.client.buy_only(wallet, market.plans[BEACH], market.request(), 10, 1, store=market.store)  # noqa: E731
    bought = [buy() for _ in range(3)]
    first = http.get("/subscriptions", params={"buyer": wallet.address, "limit": 2}).json()
    assert len(first["items"]) == 2
    bought.append(buy())
    second = http.get(first["next"].removeprefix("/api/v1")).json()
    shown = [row["subscriptionId"] for row in first["items"] + second["items"]]
    assert shown == sorted({str(one.subscription_id) for one in bought})
    by_transaction = http.get("/subscriptions", params={"txHash": bought[0].tx_hash}).json()["items"]
    assert [row["subscriptionId"] for row in by_transaction] == [str(bought[0].subscription_id)]


@pytest.mark.parametrize(
    ("query", "there", "not_there"),
    [
        ("kind=caas", "rendering-server", BEACH),
        ("kind=composite&scenario=virtual_travelling", BEACH, "edge-cache"),
        ("serviceType=ar_vr", BEACH, "3d-modelling"),
        ("text=Beach+explore", BEACH, "edge-cache"),
        ("minQoe=500&kind=composite", BEACH, "ar-beach-guide"),
        ("maxUnitPrice=50&isolation=0", BEACH, None),
        ("maxPeriodPrice=0", "ar-beach-guide", BEACH),
    ],
)
def test_the_catalogue_can_be_searched(http: httpx.Client, query: str, there: str, not_there: str | None) -> None:
    names = [model["name"] for model in http.get(f"/models?limit=200&{query}").json()["items"]]
    assert there in names
    assert not_there not in names


def test_a_search_that_makes_no_sense_is_refused(http: httpx.Client) -> None:
    for query in ("kind=daas", "minQoe=-1", "maxUnitPrice=1.5", "isolation=9"):
        assert http.get(f"/models?{query}").json()["code"] == "malformed_input", query
    assert http.get("/models?text=nothing-is-called-so").json() == {"items": [], "next": None}


# Idempotency-Key


def quote_body(market: Market, wallet: WalletKey, cap: int = 5) -> dict[str, Any]:
    return {"planId": str(market.plans[BEACH]), "cap": str(cap), "periods": 1, "buyer": wallet.address}


def test_the_same_key_and_request_get_the_same_answer(http: httpx.Client, market: Market, wallet: WalletKey) -> None:
    body, headers = quote_body(market, wallet), {"Idempotency-Key": f"again-{wallet.address}"}
    first, second = (http.post("/quotes", json=body, headers=headers) for _ in range(2))
    assert (first.status_code, first.content) == (second.status_code, second.content)
    assert second.headers["idempotency-replayed"] == "true"
    assert http.post("/quotes", json=body).json()["quoteId"] != first.json()["quoteId"]


def test_a_key_outlives_the_program(http: httpx.Client, market: Market, wallet: WalletKey) -> None:
    key = f"outlives-{wallet.address}"
    first = http.post("/quotes", json=quote_body(market, wallet), headers={"Idempotency-Key": key})
    with market.parts.engine.connect() as rows:
        fingerprint = rows.execute(answers.select().where(answers.c.key == key)).mappings().one()["fingerprint"]
    kept = KeptAnswers(market.parts.engine, market.clock).claim(key, fingerprint)
    assert kept is not None
    assert kept.body == first.content


def test_a_key_for_another_request_is_refused(http: httpx.Client, market: Market, wallet: WalletKey) -> None:
    headers = {"Idempotency-Key": f"other-{wallet.address}"}
    http.post("/quotes", json=quote_body(market, wallet), headers=headers).raise_for_status()
    answer = http.post("/quotes", json=quote_body(market, wallet, cap=6), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


def test_one_key_at_once_is_one_piece_of_work(http: httpx.Client, market: Market, wallet: WalletKey) -> None:
    body, headers = quote_body(market, wallet), {"Idempotency-Key": f"at-once-{wallet.address}"}
    with ThreadPoolExecutor(6) as pool:
        given = list(pool.map(lambda _: http.post("/quotes", json=body, headers=headers), range(6)))
    done = {answer.json()["quoteId"] for answer in given if answer.status_code == 200}
    assert len(done) == 1
    assert {answer.json()["code"] for answer in given if answer.status_code != 200} <= {"idempotency_key_busy"}


def test_a_refusal_frees_its_key(http: httpx.Client, market: Market, wallet: WalletKey) -> None:
    headers = {"Idempotency-Key": f"freed-{wallet.address}"}
    refused = http.post("/quotes", json={**quote_body(market, wallet), "planId": "7"}, headers=headers)
    assert refused.json()["code"] == "unknown_plan"
    assert http.post("/quotes", json=quote_body(market, wallet), headers=headers).status_code == 200


@pytest.mark.parametrize("key", ["", "ä", "a b", "k" * 256])
def test_a_malformed_key_is_refused(http: httpx.Client, market: Market, wallet: WalletKey, key: str) -> None:
    answer = http.post("/quotes", json=quote_body(market, wallet), headers=[("Idempotency-Key", key.encode())])
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_input")
