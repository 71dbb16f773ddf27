"""`s4m explain`: why a service stands as it stands, and what would make a refused one feasible."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from s4m.command import Session, common, console, whole_number
from s4m.completion import SUBSCRIPTIONS
from s4m.errors import BadInput

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.tree import Tree

MOST_CANDIDATES = 12
"""Candidates of one role that the page shows; --json has them all."""


@click.command()
@click.argument("subscription_id", shell_complete=SUBSCRIPTIONS)
@click.option("--account", help="Ask as the owner of the model: one of this home's accounts (provider-…).")
@click.option("--operator", is_flag=True, help="Ask as the operator, at the orchestrator itself.")
@common
def explain(session: Session, subscription_id: str, account: str | None, operator: bool) -> None:
    """Why the service of SUBSCRIPTION_ID stands as it stands: candidates, what each lacked, offers, bound and gap."""
    identifier = whole_number(subscription_id, "SUBSCRIPTION_ID")
    told = _as_operator(session, identifier) if operator else _as_reader(session, identifier, account)
    if session.as_json:
        session.show(told)
    else:
        _print(told)


def _as_reader(session: Session, identifier: int, account: str | None) -> dict[str, Any]:
    """As the buyer by the session key of this home, or as the model's owner; through the marketplace."""
    from s4m.accounts import ACCOUNTS
    from s4m.connect import keys, market, wallets

    if account and account not in ACCOUNTS:
        raise BadInput(f"There is no account {account!r}.", f"Give one of {', '.join(ACCOUNTS)}.")
    key = keys(session).account(account) if account else wallets(session).session(identifier)
    with market(session) as client, client.own(identifier, key) as own:
        return own.decisions()


def _as_operator(session: Session, identifier: int) -> dict[str, Any]:
    from marketplace.client.connection import problem_in
    from marketplace.errors import ProblemAnswer
    from s4m.connect import component

    with component(session, "orchestrator") as client:
        answer = client.get(f"/decisions/{identifier}")
    if answer.is_error:
        raise ProblemAnswer(answer.status_code, problem_in(answer))
    return dict(answer.json())


def _print(told: dict[str, Any]) -> None:
    paper = console(120)
    for part in page(told):
        paper.print(part)


def page(told: dict[str, Any]) -> list[RenderableType]:
    """The parts of the page, top to bottom."""
    from rich.text import Text

    head = Text.assemble((f"Subscription {told['subscriptionId']}", "bold"), f"  plan {told['planId']}  ")
    head.append(told["state"], style="red" if told["refusal"] else "green")
    head.append(f"  (chain: {told['chainStatus']})")
    parts: list[RenderableType] = [head]
    if told["refusal"]:
        parts.append(_refusal(told["refusal"], told["feasibleIf"]))
    if told["waiting"]:
        parts.append(Text(f"waiting [{told['waiting']['code']}]: {told['waiting']['detail']}", style="yellow"))
    if told["requirements"]:
        parts.append(_step_i(told["requirements"]))
    if told["decision"]:
        parts += [_step_ii(told["decision"]), _step_iii(told["decision"]["models"], told["requirements"])]
    if told["offers"]:
        parts.append(_rounds(told["offers"]))
    if told["moves"]:
        parts.append(_moves(told["moves"]))
    if told["repacks"]:
        parts.append(_repacks(told["repacks"]))
    parts.append(Text("Times: " + _times(told["times"]), style="dim"))
    return parts


def _refusal(refusal: dict[str, Any], feasible_if: list[str]) -> Tree:
    from rich.markup import escape
    from rich.tree import Tree

    tree = Tree(f"[red]Refused[/red] \\[{refusal.get('code', '')}]: {escape(refusal.get('detail', ''))}")
    for sentence in feasible_if:
        tree.add(f"[bold]would do:[/bold] {escape(sentence)}")
    return tree


def _step_i(wanted: dict[str, Any]) -> Tree:
    from rich.tree import Tree

    tree = Tree("[bold]Step I[/bold]  what was asked for")
    tree.add(f"{wanted['service']} ({wanted['serviceType']}, {wanted['scenario']})")
    things = f", things: {', '.join(wanted['things'])}" if wanted["things"] else ""
    objects = f", {len(wanted['objects'])} attended objects" if wanted["objects"] else ""
    tree.add(f"{wanted['users']} user(s), isolation {wanted['isolation']}{objects}{things}")
    tree.add(", ".join(f"{name} {value:g}" for name, value in wanted["qoe"].items() if value))
    return tree


def _step_ii(decision: dict[str, Any]) -> Tree:
    from rich.tree import Tree

    rounds = decision["rounds"]
    tree = Tree(f"[bold]Step II[/bold]  {decision['msiVerdict']} {decision['msi']}, {rounds} round(s) of offers")
    _candidates(tree, decision["msiCandidates"], "no MSI was there to join")
    return tree


def _step_iii(models: dict[str, Any], wanted: dict[str, Any] | None) -> Tree:
    from rich.tree import Tree

    from orchestrator.requirements import WHOLE

    tree = Tree(f"[bold]Step III[/bold]  models and resources: {_proof(models)}")
    if models.get("reliability") is not None and wanted:
        tree.add(f"reliability {models['reliability']:.6g}, asked for {wanted['qoe']['reliability']:.9g}")
    for lack in models["needed"].get(WHOLE, ()):
        tree.add(f"[bold]needed:[/bold] {_lack(lack)}")
    chosen = {placement["role"]: placement for placement in models["placements"]}
    for role in {**models["reasons"], **chosen}:
        place = chosen.get(role)
        line = f"{role}: {place['verdict']} {place['instance']} on {place['node']}" if place else f"{role}: not filled"
        branch = tree.add(line if place else f"[red]{line}[/red]")
        for lack in models["needed"].get(role, ()):
            branch.add(f"[bold]needed:[/bold] {_lack(lack)}")
        _candidates(branch, models["reasons"].get(role, []), "held since an earlier attempt")
    return tree


def _proof(models: dict[str, Any]) -> str:
    if models.get("objective") is None:
        return "infeasible" if not models["feasible"] else "no bound was kept"
    gap = 100 * models["gap"]
    known = "proven best" if not gap else f"at most {gap:.2f} % below the best"
    return f"objective {models['objective']:,} points, bound {models['bound']:,}, gap {gap:.2f} % ({known})"


def _candidates(tree: Tree, candidates: list[dict[str, Any]], nobody: str) -> None:
    from rich.markup import escape

    if not candidates:
        tree.add(f"[dim]{nobody}[/dim]")
    ordered = sorted(candidates, key=lambda one: (not one["chosen"], len(one["lacks"])))
    for one in ordered[:MOST_CANDIDATES]:
        why = "; ".join(map(_lack, one["lacks"])) or ("chosen" if one["chosen"] else "fits as well, another was better")
        facts = [f"{one['cost']:,} points"] if one.get("cost") is not None else []
        facts += [f"availability {one['availability']:.6g}"] if one.get("availability") is not None else []
        known = (f" ({', '.join(facts)})" if facts else "") + _performance(one.get("performance"))
        style = "green" if one["chosen"] else "dim"
        tree.add(f"[{style}]{escape(one['action'])} {escape(one['candidate'])}{known}: {escape(why)}[/{style}]")
    if len(ordered) > MOST_CANDIDATES:
        tree.add(f"[dim]and {len(ordered) - MOST_CANDIDATES} more (--json shows them)[/dim]")


def _performance(one: dict[str, Any] | None) -> str:
    """How an MSI did in the last minute, and its room; nothing where nobody has looked yet."""
    if one is None:
        return ""
    told = [f"{one['freeShares']} more shares fit"]
    if one["latencyMs"] is not None:
        told += [f"{one['latencyMs']:,.0f} ms a use", f"queue {one['queue']:.1f}", f"{one['errorRate']:.0%} failed"]
    if one["immersion"] is not None:
        told.append(f"immersion {one['immersion']:.2f}, {one['underFloor']} under their floor")
    return f" ({', '.join(told)})"


def _lack(lack: dict[str, Any]) -> str:
    from orchestrator.requirements import plain_amount

    unit = f" {lack['unit']}" if lack["unit"] else ""
    needed, available = plain_amount(lack["needed"]), plain_amount(lack["available"])
    return f"{lack['kind']} {lack['name']}: needs {needed}{unit}, there is {available}{unit}"


def _rounds(offers: list[dict[str, Any]]) -> RenderableType:
    from rich.table import Table

    table = Table("round", "offer", "MSI", "state", "verdict", "objective", "gap", "why", title="Offers", box=None,
                  header_style="bold", title_justify="left", title_style="bold")  # fmt: skip
    for number, offer in enumerate(offers, 1):
        decision = offer["decision"]
        gap = decision.get("gap")
        why = offer["cause"] or "; ".join(
            f"{role}: {_lack(some[0])}" for role, some in decision["needed"].items() if some
        )
        table.add_row(
            str(number), offer["offerId"], offer["msi"], offer["state"], decision["verdict"],
            "-" if decision.get("objective") is None else f"{decision['objective']:,}",
            "-" if gap is None else f"{100 * gap:.2f} %", why or "-",
        )  # fmt: skip
    return table


def _moves(moves: list[dict[str, Any]]) -> RenderableType:
    """What the share and its MSI went through, and why."""
    from datetime import UTC, datetime

    from rich.table import Table

    table = Table("when (UTC)", "who", "move", "from", "to", "why", title="Moves", box=None,
                  header_style="bold", title_justify="left", title_style="bold")  # fmt: skip
    for one in moves:
        when = datetime.fromtimestamp(one["at"], UTC).strftime("%H:%M:%S")
        table.add_row(
            when, f"{one['kind']} {one['subject']}", one["move"], one["before"] or "-", one["after"] or "-", one["why"]
        )
    return table


def _repacks(repacks: list[dict[str, Any]]) -> RenderableType:
    """Each move of one of its models that made room for others."""
    from rich.table import Table

    table = Table("repack", "model", "from", "to", "objective", "bound", "gap", "state", title="Moved to make room",
                  box=None, header_style="bold", title_justify="left", title_style="bold")  # fmt: skip
    for one in repacks:
        for move in one["moves"]:
            table.add_row(
                one["repack"], move["model"], move["origin"], move["target"],
                f"{one['objectiveBefore']:,} → {one['objective']:,}", f"{one['bound']:,.0f}",
                f"{100 * one['gap']:.2f} %", one["cause"] or one["state"],
            )  # fmt: skip
    return table


def _times(times: dict[str, int]) -> str:
    """Each moment after the first one, in milliseconds."""
    if not times:
        return "none yet"
    first = min(times.values())
    return ", ".join(f"{name} +{at - first:,} ms" for name, at in sorted(times.items(), key=lambda pair: pair[1]))
