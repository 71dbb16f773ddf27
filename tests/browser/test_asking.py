"""Asking in words: understood, asked back, led on to a purchase of the very document; without JavaScript too."""

from __future__ import annotations

import json
import re

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from browser.yard import Visitor, accessibility_faults, check_accessible
from s4m.supervisor import House

HTML = {"accept": "text/html"}
BEACH = "A walk over a virtual beach for four friends with headsets this evening, 300 Mb/s, nobody else on it"


def ask(page: Page, text: str) -> None:
    page.get_by_label("What do you want").fill(text)
    page.get_by_role("button", name="Understand").click()


def document_in(page: Page) -> dict[str, object]:
    page.get_by_text("The request document").click()
    return dict(json.loads(page.get_by_label("Request document").inner_text()))


def test_sentence_becomes_a_document_that_is_bought_as_it_is(visitor: Visitor, house: House) -> None:
    page = visitor.open("/ask")
    ask(page, BEACH)
    table = page.get_by_role("region", name="What was understood")
    for said, meant in (("four friends", "4"), ("300 Mb/s", "300 Mb/s"), ("nobody else", "dedicated")):
        expect(table.get_by_role("row").filter(has_text=said)).to_contain_text(meant)
    assert accessibility_faults(page) == []
    document = document_in(page)
    assert (document["service"], document["users"], document["isolation"]) == ("virtual-beach-travel", 4, 2)
    page.get_by_label("Units at most").fill("50")
    page.get_by_role("button", name="Continue to buy").click()
    expect(page.get_by_label("Users")).to_have_value("4")
    expect(page.get_by_label("Rate for each")).to_have_value("300")
    assert f"planId={house.plan_of('virtual-beach-travel', 2)}&" in page.url
    visitor.connect()
    page.get_by_role("button", name=re.compile("Sign and buy")).wait_for()
    shown = page.locator('[data-field="requirementsHash"] code').inner_text().rpartition(" ")[2]
    asked = httpx.post(f"{house.urls.marketplace}/api/v1/request-documents", json={"text": BEACH}).json()
    assert shown == asked["requirementsHash"]
    assert visitor.complaints == []


def test_what_is_not_clear_is_asked_back(visitor: Visitor) -> None:
    page = visitor.open("/ask")
    ask(page, "something nice")
    expect(page.get_by_role("status").filter(has_text="One question:")).to_contain_text("What would you like to do?")
    expect(page.get_by_role("heading", name="The nearest")).to_be_visible()
    expect(page.get_by_label("What do you want")).to_have_value("something nice")
    ask(page, "Je voudrais une plage pour moi et mes amis avec des casques")
    expect(page.get_by_role("status").filter(has_text="One question:")).to_contain_text("English")
    assert accessibility_faults(page) == []


def test_asking_works_without_javascript_and_by_an_example(house: House, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(house.urls.marketplace + "/ask")
    page.get_by_role("button", name="Early failure warning").click()
    expect(page.get_by_role("region", name="What was understood")).to_contain_text("20 a second")
    page.get_by_role("button", name="Continue to buy").first.click()
    expect(page.get_by_role("region", name="What you ask for")).to_contain_text("20 a second")
    context.close()


def test_form_is_accessible_and_linked_from_the_catalogue(visitor: Visitor) -> None:
    visitor.open("/")
    visitor.page.get_by_role("link", name="Say it in your own words").click()
    visitor.page.get_by_label("What do you want").focus()
    check_accessible(visitor, "/ask")


def test_too_long_a_wish_is_told_on_the_form(house: House) -> None:
    answer = httpx.post(f"{house.urls.marketplace}/ask", data={"text": "beach " * 400}, headers=HTML)
    assert answer.status_code == 400
    assert "The request is malformed" in answer.text
    assert "Say it in at most 2000" in answer.text
    assert "beach beach" in answer.text


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ("{", "not JSON"),
        ("[]", "no JSON object"),
        ('{"schema":"s4m/terms/1"}', "no request"),
        ('{"schema":"s4m/request/2","service":"virtual-beach-travel","users":0}', "0 is less than"),
        ('{"schema":"s4m/request/2","service":"monitoring"}', "asks for monitoring"),
        ('{"schema":"s4m/request/2","service":"virtual-beach-travel","isolation":2}', "isolation 2"),
    ],
)
def test_document_that_the_plan_does_not_sell_is_refused(house: House, document: str, why: str) -> None:
    asked = {"planId": house.plan_of("virtual-beach-travel"), "cap": 5, "document": document}
    answer = httpx.get(f"{house.urls.marketplace}/buy", params=asked, headers=HTML)
    assert answer.status_code == 400
    assert "The document is malformed" in answer.text
    assert why in answer.text
