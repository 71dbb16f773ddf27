"""The adversarial suite: docs/reference/attacks.md lists it, scripts/attacks holds it."""

from collections.abc import Iterator

import pytest

from scripts.attacks import of_callees
from scripts.attacks.case import EVERY_APP, Forge
from scripts.attacks.ground import Ground, open_ground
from scripts.attacks.run import ATTACKS, PAGE, Result, names_used_twice, page, play
from trust.journal import verify


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with open_ground(tmp_path_factory.mktemp("attacked")) as opened:
        yield opened


@pytest.fixture(scope="module")
def results(ground: Ground) -> list[Result]:
    return play(ground)


def test_no_attack_passes_at_any_app(results: list[Result]) -> None:
    assert [each for each in results if not each.refused] == []
    assert {each.app for each in results} == set(EVERY_APP)


def test_every_attack_is_journalled(results: list[Result]) -> None:
    assert [each for each in results if not each.journalled] == []


def test_journals_verify_after_the_attacks(results: list[Result], ground: Ground) -> None:
    assert all(verify(target.journal).seq > 50 for target in ground.targets)


def test_good_request_passes_every_gate_that_the_attacks_stood_before(results: list[Result], ground: Ground) -> None:
    """Else refusing everything would do. What the handler then says (its peers do not run) is not the gate's."""
    for target in ground.targets:
        forge = Forge(ground, target)
        token = forge.token()
        answer = forge.send(token, forge.proof(token))
        assert answer.code not in {code for attack in ATTACKS if not attack.journalled for code in attack.codes}
        assert ground.was_let_in(target)


@pytest.mark.parametrize("program", of_callees.CALLERS)
def test_answer_of_the_component_itself_is_used(results: list[Result], ground: Ground, program: str) -> None:
    """Else believing nobody would do."""
    target = next(each for each in ground.targets if each.app == program)
    component = ground.identities[of_callees.ERRANDS[program].component]
    answer = of_callees.run(Forge(ground, target), lambda call, good: of_callees.signed(component, call, 200, good))
    assert answer.status in (200, 202)


def test_suite_is_as_large_as_it_says_and_its_page_is_fresh() -> None:
    assert len(ATTACKS) >= 60
    assert names_used_twice() == []
    assert PAGE.read_text() == page(), "write it anew: python -m scripts.attacks.run"
