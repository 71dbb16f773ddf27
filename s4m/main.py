"""`s4m`: the entry point. One module a command group, loaded only when it is asked for."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from typing import Any

import click

from ledger.secrecy import keep_memory_private

COMPLETE_VARIABLE = "_S4M_COMPLETE"
"""Set by the shell's completion script (`s4m completion`) when it asks what fits."""

GROUPS: dict[str, tuple[str, str]] = {
    "devnet": ("s4m.devnet:devnet", "Start, stop, inspect and fund a local chain."),
    "deploy": ("s4m.deploy:deploy", "Deploy the contracts to the node."),
    "up": ("s4m.up:up", "Run the whole house: chain, marketplace, orchestrator, gateway."),
    "wallet": ("s4m.wallet:wallet", "Create, import, list, show, fund, export and remove wallets."),
    "tx": ("s4m.tx:tx", "Transactions of this home that wait; speed one up, or cancel it."),
    "catalog": ("s4m.catalog:catalog", "Models and plans for sale; publish your own."),
    "models": ("s4m.models:models", "Installed models; validate, publish and run your own."),
    "buy": ("s4m.buy:buy", "Buy a subscription: shows the cost, asks, signs, waits until it runs."),
    "use": ("s4m.use:use", "Use a subscription through the gateway; checks and signs for what was used."),
    "subscriptions": (
        "s4m.subscriptions:subscriptions",
        "List, show, await, extend and release subscriptions; have their use forgotten.",
    ),
    "request": ("s4m.request:request", "Change a running request: users, quality of experience, objects."),
    "explain": ("s4m.explain:explain", "Why a service stands as it stands; of a refusal, what would do."),
    "top": ("s4m.top:top", "Live view of pool, clusters, MSIs, models, queue and settlement."),
    "notices": ("s4m.notices:notices", "What happened to a subscription's service, once or as it comes."),
    "pass": ("s4m.passes:passes", "Let a friend or a device use a subscription within bounds; take it back."),
    "identity": ("s4m.identity:identity", "Claims about people: attest, disclose one by one, verify, revoke."),
    "settle": ("s4m.settle:settle", "Settle signed vouchers on-chain, now."),
    "audit": ("s4m.audit:audit", "Prove records against the chain."),
    "supply": ("s4m.supply:supply", "Offer a model's capacity to the pool; list, withdraw, statement, pay."),
    "assets": ("s4m.assets:assets", "List, mint and export things made in the virtual world."),
    "simulate": ("s4m.simulate:simulate", "Play a scenario's users under the controllers, faster than real time."),
    "doctor": ("s4m.doctor:doctor", "Say what is wrong with this set-up and how to mend it."),
    "completion": ("s4m.completion:completion", "Completion of commands and names for bash, zsh and fish."),
    "trust": ("s4m.trust:trust", "Policy, component keys, enrolment, revocation, journal."),
}


class LazyGroup(click.Group):
    """Knows its commands by name and one-line help; imports a command's module when it runs."""

    def main(self, args: Sequence[str] | None = None, *rest: Any, standalone_mode: bool = True, **options: Any) -> Any:
        """As click's, but with --json on the line what click itself refuses is told as JSON too."""
        run: Callable[..., Any] = super().main
        if not standalone_mode or "--json" not in (sys.argv[1:] if args is None else args):
            return run(args, *rest, standalone_mode=standalone_mode, **options)
        from s4m.command import tell

        try:
            sys.exit(run(args, *rest, standalone_mode=False, **options))
        except click.ClickException as error:
            tell("bad_input", error.format_message(), "See --help.", error.exit_code, as_json=True)
            sys.exit(error.exit_code)
        except click.Abort:
            tell("aborted", "Stopped by the caller.", "Run it again.", 1, as_json=True)
            sys.exit(1)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(GROUPS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in GROUPS:
            return None
        module, _, name = GROUPS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), name)
        assert isinstance(command, click.Command)  # noqa: S101 — narrows the type
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in GROUPS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="slicing4meta")
def cli() -> None:
    """Buy Metaverse-as-a-Service models with a wallet, use them, pay for what you signed for, prove every unit."""


def main(*args: Any) -> None:
    keep_memory_private()  # before any key is opened
    cli(*args, prog_name="s4m", complete_var=COMPLETE_VARIABLE)


if __name__ == "__main__":
    main()
