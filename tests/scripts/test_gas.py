"""The gas bench without its node: from receipts to figures, when the committed document is stale, a stranger's load."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ledger import abi
from scripts.bench_gas import check, publish, recompute
from scripts.gas.document import bytecode_hashes, render, stale
from scripts.gas.load import Load, LoadMalformed
from scripts.gas.table import PEERS, ROWS, figures, protocol_alone, recipes

NAMES = sorted({row.of or name for name, row in ROWS.items()} | PEERS.keys())


def receipts(**gas: int) -> dict[str, Any]:
    """A run whose transactions used a gas of their own each, or what is given by name."""
    return {
        "seed": 1,
        "load": {"unit_price": 1, "period_price": 1, "period": 604_800, "units": 10, "cap": 100},
        "nodes": [{"client": "a node", "hardfork": "osaka"}],
        "packages": {"singularitynet-platform-contracts": "2.1.0"},
        "bytecodes": bytecode_hashes(),
        "recipes": recipes(),
        "transactions": [
            {"name": name, "gasUsed": gas.get(name, 1_000_000 + place), "calldataBytes": 228, "calldataZeros": 128}
            for place, name in enumerate(NAMES)
        ],
        "blocks": [],
    }


def saved(folder: Path, raw: dict[str, Any]) -> Path:
    (folder / "gas-raw.json").write_text(json.dumps(raw))
    (folder / "gas.json").write_text(json.dumps(figures(raw)))
    return folder


def test_figures_are_what_the_recipes_beside_the_receipts_say() -> None:
    raw = receipts(settle_100=1_370_758, singularitynet_claim_100_in_batch=2_479_152)
    used = {each["name"]: each["gasUsed"] for each in raw["transactions"]}
    for each in figures(raw):
        recipe = raw["recipes"][each["name"]]
        assert each["value"] == pytest.approx(used[recipe["gasUsedOf"]] / recipe["dividedBy"], abs=0.0005)
        assert (each["against"] is None) is (recipe["against"] is None)
        if recipe["against"]:
            beside = used[recipe["against"]["gasUsedOf"]] / recipe["against"]["dividedBy"]
            assert each["against"]["value"] == pytest.approx(beside, abs=0.0005)
    by_name = {each["name"]: each for each in figures(raw)}
    assert by_name["settle_100_per_voucher"]["value"] == 13_707.58
    assert by_name["settle_100_per_voucher"]["against"]["value"] == 24_791.52
    assert by_name["record_at_10000"]["value"] == 1.371


@pytest.mark.parametrize(("gas", "holds"), [(42_000, True), (42_001, False)])
def test_bar_holds_up_to_its_value(gas: int, holds: bool) -> None:
    (figure,) = (each for each in figures(receipts(settle_1=gas)) if each["name"] == "settle_1")
    assert figure["value"] == gas
    assert figure["holds"] is holds


def test_every_figure_of_the_design_has_its_bar_and_no_guard() -> None:
    design = {
        "settle_100_per_voucher": 15_000, "settle_100_plans_per_voucher": 20_000, "settle_1": 42_000,
        "record_at_10000": 1.5, "stale_in_batch": 6_500, "buy_funded": 95_000, "buy_funded_first": 115_000,
        "buy_relayed_permit": 140_000, "buy_relayed_permit_first": 175_000, "payout": 52_000,
        "prove_record_2_20": 85_000,
    }  # fmt: skip
    assert {name: row.bar for name, row in ROWS.items() if not row.guard} == design


def test_protocol_alone_is_the_price_list_of_the_yellow_paper() -> None:
    # 21,000 + 128 zeros at 4 + 100 others at 16; ecrecover; two cold rows rewritten; a log of 2 topics and 96 bytes
    assert protocol_alone(receipts(), "settle_1") == 21_000 + 512 + 1_600 + 3_000 + 2 * 5_000 + 1_893
    assert protocol_alone(receipts(), "payout") is None


def test_figure_that_the_receipts_do_not_give_is_named(tmp_path: Path) -> None:
    raw = receipts()
    assert recompute(saved(tmp_path, raw)) == []
    told = json.loads((tmp_path / "gas.json").read_text())
    told[0]["value"] -= 1
    (tmp_path / "gas.json").write_text(json.dumps(told[:-1]))
    assert recompute(tmp_path) == sorted([told[0]["name"], told[-1]["name"]])


def test_document_of_these_contracts_is_not_stale(tmp_path: Path) -> None:
    path = publish(receipts(), tmp_path)
    assert path == tmp_path / "gas.md"  # a load of its own never replaces the committed document
    assert check(path) == []
    assert check(tmp_path / "absent.md") == ["it does not exist"]


@pytest.mark.parametrize("contract", abi.CONTRACTS.values())
def test_document_measured_on_other_bytecode_is_stale(contract: str) -> None:
    raw = receipts()
    raw["bytecodes"][contract] = "0" * 64
    assert stale(render(raw)) == [f"it was not measured on the {contract} that is in ledger/artifacts/"]


def test_document_without_a_figure_or_with_another_bar_is_stale() -> None:
    lines = render(receipts()).splitlines()
    assert stale("\n".join(line for line in lines if not line.startswith("| `settle_1`"))) == ["settle_1 is missing"]
    other = "\n".join(lines).replace("≤ 42,000", "≤ 50,000")
    assert stale(other) == ["settle_1 is shown with another load or bar"]


def test_load_of_a_file_replaces_what_it_names(tmp_path: Path) -> None:
    path = tmp_path / "load.json"
    path.write_text('{"unit_price": 30000, "units": 5000}')
    assert Load.read(path) == Load(unit_price=30_000, units=5_000)
    assert Load.read(None) == Load()


@pytest.mark.parametrize(
    "text", ["", "[]", '{"vouchers": 3}', '{"units": 0}', '{"units": 1.5}', '{"units": true}', '{"period": 3600}']
)
def test_load_that_cannot_be_measured_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "load.json"
    path.write_text(text)
    with pytest.raises(LoadMalformed):
        Load.read(path)
    with pytest.raises(LoadMalformed, match="no readable"):
        Load.read(tmp_path / "absent.json")
