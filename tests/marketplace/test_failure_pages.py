"""What a person's browser gets where an API client gets problem+json: no such page, no right, a fault of the server."""

from __future__ import annotations

import shutil
from pathlib import Path

import httpx
import pytest
from market_yard import Market, Serving
from sqlalchemy import text

from ledger.devnet import Devnet

HTML = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def assert_is_page(answer: httpx.Response, status: int, title: str) -> None:
    """In the site's layout, guarded like every page, with cause and remedy."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert answer.headers["content-security-policy"].startswith("default-src 'self'")
    assert f"<h1>{title}</h1>" in answer.text
    assert "What to do:" in answer.text
    assert 'aria-label="Main"' in answer.text


@pytest.mark.parametrize("path", ["/nowhere", "/services/", "/models/1/plans", "/<script>alert(1)</script>"])
def test_address_that_does_not_exist_is_a_page_for_people(market: Market, path: str) -> None:
    answer = httpx.get(market.url + path, headers=HTML)
    assert_is_page(answer, 404, "There is no such page")
    assert "<script>alert" not in answer.text


@pytest.mark.parametrize("headers", [{"accept": "application/json"}, {"accept": "*/*"}, {}])
def test_address_that_does_not_exist_is_a_problem_for_programs(market: Market, headers: dict[str, str]) -> None:
    answer = httpx.get(market.url + "/nowhere", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/api/v1/nowhere", "/api/v1/me", "/gateway/nowhere"])
def test_api_speaks_problems_to_browsers_too(market: Market, path: str) -> None:
    answer = httpx.get(market.url + path, headers=HTML)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] in ("not_allowed", "token_missing")


def test_what_the_visitor_has_no_right_to_is_a_page(market: Market) -> None:
    answer = httpx.get(market.url + "/operator/decisions/7", headers=HTML)
    assert_is_page(answer, 403, "This desk is the operator&#39;s")
    refused = httpx.post(market.url + "/operator/session", headers=HTML, content=b"x" * 5_000)
    assert_is_page(refused, 413, "The body is too large")


def test_fault_of_the_server_is_a_page_that_tells_nothing_of_the_inside(
    devnet: Devnet, market_home: Path, tmp_path: Path
) -> None:
    """A store whose table somebody dropped under the running marketplace."""
    home = tmp_path / "home"
    shutil.copytree(market_home, home, ignore=shutil.ignore_patterns("journal", "db"))
    with Serving(devnet.rpc_url, home) as broken:
        with broken.parts.engine.begin() as connection:
            connection.execute(text("DROP TABLE assets"))
        page = httpx.get(broken.url + "/assets", headers=HTML)
        problem = httpx.get(broken.url + "/api/v1/assets", headers=HTML)
    assert_is_page(page, 500, "The marketplace failed")
    assert "assets.owner" not in page.text
    assert "SELECT" not in page.text
    assert (problem.status_code, problem.json()["code"]) == (500, "internal_error")
