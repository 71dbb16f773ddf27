"""The auditor's page: the browser's proofs agree with ours, find an honest log in order, and name what is forged."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from browser.commands import ENVIRONMENT, buy, use
from browser.yard import Visitor, accessibility_faults, check_accessible
from ledger import abi, typed_data
from ledger.measured import Measured
from ledger.typed_data import (
    Activation,
    AuditGrant,
    ErasureDemand,
    OperatorPass,
    Order,
    Pass,
    PassRevocation,
    Permit,
    Provenance,
    RequestUpdate,
    SessionBinding,
    Voucher,
    digest,
    market_domain,
)
from ledger.usage_log import UsageLog, UsageRecord
from ledger.values import Address, Money, PlanId, SubscriptionId, Units, to_hex
from marketplace.wallet.keystore import WalletStore
from s4m.supervisor import House

SOMEBODY = Address("0x" + "5b" * 20)
# Inputs and roots of the certificate-transparency reference tests (as in tests/ledger/test_usage_log.py).
CT_INPUTS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
CT_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


@pytest.fixture(scope="module")
def log(house: House) -> str:
    """The usage log of a subscription that was bought, used four times and settled in between."""
    subscription = buy(house, "auditee")
    use(house, subscription, times=2)
    return use(house, subscription, times=2)


@pytest.fixture(scope="module")
def bench(house: House, browser: Browser) -> Iterator[Page]:
    """A page of the marketplace's origin on which modules are imported by hand."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(house.urls.marketplace + "/auditor")
    yield page
    context.close()


MERKLE = "proof/merkle"


def of_module(page: Page, module: str, expression: str, argument: Any = None) -> Any:
    """Evaluates `expression` with `m`, a module of the pages, and `a`, the argument; bigints come back as text."""
    script = page.locator('script[src*="auditor.js"]').get_attribute("src")
    assert script is not None
    address = script.replace("desks/auditor.js", f"{module}.js")
    plain = "(_, value) => typeof value === 'bigint' ? String(value) : value"
    text = page.evaluate(
        f"async ([address, a]) => {{ const m = await import(address); return JSON.stringify({expression}, {plain}) }}",
        [address, argument],
    )
    return json.loads(text)


def test_merkle_vectors_of_certificate_transparency_hold_in_the_browser(bench: Page) -> None:
    tree = "new m.UsageLog(a.map((data) => m.leafHash(`0x${data}`)))"
    assert of_module(bench, MERKLE, f"(t => a.map((_, i) => t.root(i + 1).slice(2)))({tree})", CT_INPUTS) == CT_ROOTS
    assert of_module(bench, MERKLE, f"{tree}.inclusionProof(5).map((node) => node.slice(2, 10))", CT_INPUTS) == [
        "bc1a0643", "ca854ea1", "d37ee418",
    ]  # fmt: skip
    assert of_module(bench, MERKLE, f"{tree}.consistencyProof(6).map((node) => node.slice(2, 10))", CT_INPUTS) == [
        "0ebc5d34", "ca854ea1", "d37ee418",
    ]  # fmt: skip


def test_every_proof_of_every_small_tree_is_ours_and_holds(bench: Page) -> None:
    records = [_record(seq) for seq in range(17)]
    ours = UsageLog.of(records)
    for size in (1, 2, 3, 8, 13, 17):
        expected = {
            "root": to_hex(ours.usage_root(size)),
            "paths": [[to_hex(node) for node in ours.inclusion_proof(index, size)] for index in range(size)],
            "prefixes": [[to_hex(node) for node in ours.consistency_proof(old, size)] for old in range(size + 1)],
        }
        leaves = [to_hex(record.leaf()) for record in records]
        assert of_module(bench, MERKLE, _TREE, [leaves, size]) == {**expected, "hold": True, "forged": False}


_TREE = """(() => {
  const [leaves, size] = a, t = new m.UsageLog(leaves), all = [...Array(size).keys()], root = t.root(size);
  const paths = all.map((i) => t.inclusionProof(i, size));
  const prefixes = [...all, size].map((old) => t.consistencyProof(old, size));
  const hold = paths.every((path, i) => m.verifyInclusion(leaves[i], i, size, path, root)) &&
    prefixes.every((path, old) => m.verifyConsistency(old, size, t.root(old), root, path));
  const forged = paths.some((path, i) => m.verifyInclusion(root, i, size, [...path, root], root));
  return { root: t.usageRoot(size), paths, prefixes, hold, forged };
})()"""


def _record(seq: int) -> UsageRecord:
    return UsageRecord(
        SubscriptionId(9 << 64), seq, 1, 480, Units(5), Units(5 * seq + 5), 1_000, 1_050, 870, bytes(range(32))
    )


def test_records_are_packed_as_ours(bench: Page) -> None:
    record = _record(3)
    assert of_module(bench, "proof/record", "m.packed(m.parseRecord(a))", record.to_json()) == to_hex(record.packed())


MESSAGES: list[typed_data.Message] = [
    Order(SOMEBODY, PlanId(2**64 - 1), SOMEBODY, Units(2**40 - 1), 7, b"\x01" * 32, Money(2**255), 3, 2**64 - 1),
    Voucher(SubscriptionId(2**96 - 1), Units(12), b"\xff" * 32),
    Activation(SubscriptionId(5), b"\x00" * 32),
    Provenance(b"\x02" * 32, SOMEBODY, SubscriptionId(5), "s4m:assets/plaża ☀️"),
    SessionBinding(SubscriptionId(5), "jkt-of-a-key", 2**53),
    AuditGrant(SubscriptionId(5), SOMEBODY, 1),
    ErasureDemand(SubscriptionId(5), 1),
    RequestUpdate(SubscriptionId(5), b"\x03" * 32, 4, 5),
    OperatorPass("slicing4meta.devnet", 9),
    Pass(SubscriptionId(5), "jkt-of-a-key", "frame,souvenir", Units(2**40 - 1), 1, b"\x04" * 32),
    PassRevocation(SubscriptionId(5), b"\x05" * 32),
    Permit(SOMEBODY, SOMEBODY, Money(2**256 - 1), 0, 2**256 - 1),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: str(message.PRIMARY))
def test_every_kind_of_message_hashes_as_ours(bench: Page, message: typed_data.Message) -> None:
    domain = market_domain(31_337, SOMEBODY)
    ours = typed_data.typed_data(domain, message)
    assert of_module(bench, "proof/typed_data", "m.hashes(a).digest", ours) == to_hex(digest(domain, message))
    fields = [{"name": name, "type": kind} for name, kind in message.FIELDS]
    assert of_module(bench, "proof/typed_data", f"m.TYPES.{message.PRIMARY}") == fields


def test_functions_and_events_of_the_pages_are_the_contracts(bench: Page) -> None:
    for word in ("catalog", "market", "credit", "assets"):
        compiled = json.loads((abi.ARTIFACTS / f"{abi.CONTRACTS[word]}.json").read_text())["abi"]
        theirs = {(one["type"], one.get("name"), *_types(one)) for one in compiled}
        used = of_module(bench, "abi", f"m.{word.upper()}_ABI")
        assert len(used) >= 3
        assert {(one["type"], one["name"], *_types(one)) for one in used} <= theirs


def _types(entry: dict[str, Any]) -> tuple[str, ...]:
    return tuple(f"{abi.canonical(one)} {one.get('indexed', False)}" for one in entry.get("inputs", ()))


def audited(visitor: Visitor, text: str, node: str | None = None) -> Page:
    """The page after it has audited the text."""
    page = visitor.open("/auditor")
    page.get_by_label("Usage log (JSONL)").fill(text)
    if node:
        page.get_by_label("Ethereum node (JSON-RPC)").fill(node)
    page.get_by_role("button", name="Audit", exact=True).click()
    expect(page.locator("#report")).not_to_contain_text("Working")
    page.wait_for_function("document.querySelector('#report .note')")
    return page


def test_honest_log_is_in_order_through_the_marketplaces_node(visitor: Visitor, log: str) -> None:
    page = audited(visitor, log)
    expect(page.locator("#report")).to_contain_text("In order. 4 records, 4 proven under settled roots")
    expect(page.locator("#report")).to_contain_text("The contract confirms 4 of 4 records")
    signed = page.get_by_role("region", name="Signatures in the chain’s own transactions")
    expect(signed.get_by_text("holds")).to_have_count(4)  # order, activation, two vouchers
    page.get_by_text("hashes").first.click()
    expect(page.locator("details[open]").first).to_contain_text("in the root settled in block")
    assert accessibility_faults(page) == []
    assert visitor.complaints == []


def test_a_node_of_the_readers_own_will_do(visitor: Visitor, house: House, log: str) -> None:
    page = audited(visitor, log, house.urls.chain)
    expect(page.locator("#report")).to_contain_text("In order.")
    expect(page.locator("#report")).to_contain_text(house.urls.chain)


def test_buyer_fetches_the_log_by_a_grant_and_nobody_else_does(visitor: Visitor, house: House, log: str) -> None:
    subscription = json.loads(log.splitlines()[0])["record"]["subscriptionId"]
    page = visitor.open(f"/auditor?subscription={subscription}")
    visitor.connect()
    page.get_by_role("button", name="Fetch the log").click()
    expect(page.locator("#fetched")).to_contain_text("did not give the log")
    assert visitor.complaints.pop().startswith("Failed to load resource")
    visitor.wallet.key = WalletStore(house.home, 1_024).open("auditee", ENVIRONMENT["S4M_WALLET_PASSWORD"])
    page.reload()
    page.get_by_role("button", name="disconnect").wait_for()
    page.get_by_role("button", name="Fetch the log").click()
    expect(page.locator("#fetched")).to_contain_text("5 lines fetched")
    page.get_by_role("button", name="Audit", exact=True).click()
    expect(page.locator("#report")).to_contain_text("In order. 4 records, 4 proven under settled roots")
    assert visitor.complaints == []


def test_measured_immersion_is_recomputed(bench: Page) -> None:
    told = Measured(700_000_000.0, 0.01, ((1, 2.0, 60.0), (2, 5.0, 14.0), (3, 1.0, 400.5)))
    assert of_module(bench, "proof/metering", "m.immersionMilli(a)", told.to_json()) == told.immersion_milli


def forged(change: Callable[[list[dict[str, Any]]], object]) -> Callable[[str], str]:
    """Changes the log's lines that hold records; leaf hashes beside them are left out, as a forger would."""

    def change_text(text: str) -> str:
        lines = [json.loads(line) for line in text.splitlines()]
        for line in lines:
            line.pop("leafHash", None)
        records = [line["record"] for line in lines if "record" in line]
        change(records)
        return "\n".join(json.dumps(line) for line in lines if line.get("record") != {})

    return change_text


def _grow(records: list[dict[str, Any]]) -> None:
    """One unit more in the first record, all totals made to fit."""
    records[0]["units"] = str(int(records[0]["units"]) + 1)
    for record in records:
        record["total"] = str(int(record["total"]) + 1)


def _swap(records: list[dict[str, Any]]) -> None:
    first, second = dict(records[0]), dict(records[1])
    records[0].update(second)
    records[1].update(first)


TAMPERINGS: dict[str, tuple[Callable[[str], str], str]] = {
    "units and totals raised": (forged(_grow), "units_differ"),
    "total alone": (forged(lambda records: records[1].update(total="1")), "total_differs"),
    "quantity": (
        forged(lambda records: records[0].update(quantity=str(int(records[0]["quantity"]) * 3))),
        "units_differ",
    ),
    "time": (forged(lambda records: records[2].update(startMillis="99999999999999")), "time_disordered"),
    "another's request": (forged(lambda records: records[1].update(requestHash="0x" + "ab" * 32)), "root_differs"),
    "immersion": (forged(lambda records: records[3].update(immersion=1)), "root_differs"),
    "a record left out": (forged(lambda records: records[0].clear()), "sequence_broken"),
    "the end cut off": (forged(lambda records: records[3].clear()), "log_short"),
    "order turned": (forged(_swap), "sequence_broken"),
    "a foreign record": (forged(lambda records: records[1].update(subscriptionId="7")), "subscription_unknown"),
    "session key's signature": (lambda text: _signed_by_another(text, "signature"), "session_signature_wrong"),
    "the voucher's units": (lambda text: _vouched(text, units="9999"), "voucher_differs"),
    "the voucher's size": (lambda text: _vouched(text, size=3), "voucher_differs"),
    "the voucher's root": (lambda text: _vouched(text, usageRoot="0x" + "cd" * 32), "voucher_differs"),
    "meter's signature": (lambda text: _signed_by_another(text, "meterSignature"), "meter_signature_wrong"),
}


def _signed_by_another(text: str, name: str) -> str:
    return _vouched(text, **{name: "0x" + "11" * 64 + "1b"})


def _vouched(text: str, **changes: Any) -> str:
    """The log with its newest voucher changed."""
    lines = [json.loads(line) for line in text.splitlines()]
    voucher = next(line["voucher"] for line in reversed(lines) if "voucher" in line)
    assert set(changes) <= set(voucher)
    voucher.update(changes)
    return "\n".join(json.dumps(line) for line in lines)


@pytest.mark.parametrize("name", TAMPERINGS)
def test_forged_log_is_found_and_the_forgery_named(visitor: Visitor, log: str, name: str) -> None:
    change, code = TAMPERINGS[name]
    page = audited(visitor, change(log))
    expect(page.locator("#report")).to_contain_text("Not in order")
    expect(page.locator("#report")).to_contain_text(code)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"record": {"seq": "1"}}', "Line 1: subscriptionId does not fit"),
        ("{}\nnot json", "Line 1"),
        ("", "There is no record in the log"),
        (json.dumps({"record": {**_record(0).to_json(), "units": "1.5"}}), "Line 1: units does not fit"),
        (json.dumps({"record": _record(0).to_json()}), "The chain knows no subscription"),
    ],
)
def test_what_is_no_log_is_refused_with_its_line(visitor: Visitor, text: str, why: str) -> None:
    expect(audited(visitor, text).locator("#report")).to_contain_text(why)


def test_a_node_that_does_not_answer_is_told(visitor: Visitor, log: str) -> None:
    page = audited(visitor, log, "http://127.0.0.1:9/")
    expect(page.locator("#report")).to_contain_text("http://127.0.0.1:9/ does not answer")


def test_typed_data_is_hashed_and_its_signer_named(visitor: Visitor) -> None:
    key, domain = visitor.wallet.key, market_domain(31_337, SOMEBODY)
    message = MESSAGES[4]
    page = visitor.open("/auditor")
    page.get_by_label("Document (eth_signTypedData_v4)").fill(json.dumps(typed_data.typed_data(domain, message)))
    page.get_by_label("Signature").fill(to_hex(typed_data.sign(key, domain, message)))
    page.get_by_role("button", name="Hash").click()
    hashes = page.get_by_role("region", name="Hashes")
    expect(hashes).to_contain_text(to_hex(digest(domain, message)))
    expect(hashes).to_contain_text(key.address)
    page.get_by_label("Document (eth_signTypedData_v4)").fill("{}")
    page.get_by_role("button", name="Hash").click()
    expect(page.locator("#hashes")).to_contain_text("cannot be hashed")


def test_only_the_auditors_page_may_ask_other_nodes(house: House, visitor: Visitor) -> None:
    check_accessible(visitor, "/auditor")
    policies = {
        path: visitor.page.request.get(house.urls.marketplace + path).headers["content-security-policy"]
        for path in ("/auditor", "/explorer", "/provider", "/faucet")
    }
    assert "connect-src 'self' https:" in policies.pop("/auditor")
    assert all("connect-src" not in policy for policy in policies.values())
