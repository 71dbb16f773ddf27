"""The main job, whole and in small: bought, used, signed, settled, paid, audited, reported."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from travel_run import demo, finished

REPORTED = {
    "inputs", "subscriptions", "msis", "msis_reused", "usage_records", "vouchers_settled", "settle_gas_per_voucher",
    "paid", "refunded", "assets_minted", "meta_immersion", "latency_ms", "audit", "duration_s",
}  # fmt: skip

SERVICES = ("virtual-beach-travel", "ar-beach-guide")

pytestmark = pytest.mark.system


def test_demo_in_small_ends_with_everything_paid_proven_and_reported(tmp_path: Path) -> None:
    with demo(tmp_path, "--travellers", "4", "--seconds", "6", "--seed", "3") as run:
        report = finished(run, tmp_path, 200)
    assert set(report) >= REPORTED
    assert report["inputs"]["kind"] == ("recorded" if os.environ.get("S4M_DATA") else "generated")
    assert report["subscriptions"] == 5
    assert report["msis_reused"] >= 2
    assert report["audit"]["ok"]
    assert report["audit"]["findings"] == []
    assert report["audit"]["records_checked"] == report["usage_records"] > 30
    assert report["audit"]["proofs_checked_on_chain"] == report["usage_records"]
    dust = int(report["paid"]) - sum(int(each) for each in report["paid_out"].values())
    assert 0 <= dust < 8 * len(SERVICES)  # shares are rounded down; what is left of them waits in the market
    assert int(report["paid"]) > dust
    assert int(report["refunded"]) > 0
    assert report["assets_minted"] == sum(len(each["assets"]) for each in report["travellers"]) > 0
    assert report["meta_immersion"]["mean"] > 0
    assert (tmp_path / "virtual_travel.png").stat().st_size > 10_000
