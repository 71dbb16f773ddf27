"""Plays the whole table on a ground and writes the page about it.

`python -m scripts.attacks.run` writes docs/reference/attacks.md; the page tells the table, so it needs no ground.
"""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from scripts.attacks import of_callees, of_passes, of_proofs, of_rights, of_tokens, of_transport
from scripts.attacks.case import EVERY_APP, PROGRAMS, Attack, Forge, Outcome
from scripts.attacks.ground import Ground, Target

GROUPS = {
    "Tokens": of_tokens,
    "Proofs": of_proofs,
    "Rights": of_rights,
    "Delegation": of_passes,
    "Callees": of_callees,
    "Transport": of_transport,
}
ATTACKS: list[Attack] = [attack for module in GROUPS.values() for attack in module.ATTACKS]
PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "attacks.md"
HEAD = """# Attacks that are tried

Written by `python -m scripts.attacks.run` from the tables in [scripts/attacks/](../../scripts/attacks); a test compares
them. [tests/trust/test_attacks.py](../../tests/trust/test_attacks.py) and `make bench AREA=trust` play each against
the real apps behind their real gates, over HTTP: it must be refused with one of the codes, and be journalled. **all**:
marketplace, orchestrator, MSMF, VMOF, MMF and gateway; **programs**: the three servers. Attacks on the contracts and
out of the sandbox have their own suites ([threat model](../threat-model.md)).
"""


@dataclass(frozen=True)
class Result:
    """One attack on one app."""

    name: str
    app: str
    status: int
    code: str
    refused: bool
    journalled: bool

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def play(ground: Ground) -> list[Result]:
    """Every attack on every app that it is for. Programs are attacked side by side, each program's apps one by one."""
    for target in ground.targets:
        ground.new_rows(target.journal)
    with ThreadPoolExecutor(len(PROGRAMS)) as pool:
        played = pool.map(lambda program: _play_program(ground, program), PROGRAMS)
        return [result for results in played for result in results]


def _play_program(ground: Ground, program: str) -> list[Result]:
    targets = [target for target in ground.targets if target.program == program]
    return [_play_one(ground, target, each) for each in ATTACKS for target in targets if target.app in each.apps]


def _play_one(ground: Ground, target: Target, attack: Attack) -> Result:
    answer: Outcome = attack.play(Forge(ground, target))
    refused = answer.status in attack.statuses and answer.code in attack.codes
    code = attack.journalled or (answer.code if answer.code != "none" else "not_allowed")
    journalled = ground.was_journalled(target, code)
    return Result(attack.name, target.app, answer.status, answer.code, refused, journalled)


def page() -> str:
    """The table as a page."""
    lines = [HEAD, f"\n{len(ATTACKS)} attacks, {sum(len(each.apps) for each in ATTACKS)} with every app counted.\n"]
    for title, module in GROUPS.items():
        lines.append(f"\n## {title}\n\n| attack | what is done | refused with | at |\n|---|---|---|---|\n")
        lines += [_line(each) for each in module.ATTACKS]
    return "".join(lines)


def _line(attack: Attack) -> str:
    codes = ", ".join(f"`{code}`" for code in attack.codes)
    codes += f" (journal: `{attack.journalled}`)" if attack.journalled else ""
    at = {EVERY_APP: "all", PROGRAMS: "programs"}.get(attack.apps, ", ".join(attack.apps))
    return f"| {attack.name} | {attack.what} | {codes} | {at} |\n"


def names_used_twice() -> list[str]:
    return [name for name, count in Counter(each.name for each in ATTACKS).items() if count > 1]


if __name__ == "__main__":
    PAGE.write_text(page())
