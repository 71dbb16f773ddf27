"""What the shell offers on Tab, and `s4m completion SHELL`, which prints the script that asks for it.

Names come from files of the home and of the package alone, so that Tab is quick and works without a house.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import click
from click.shell_completion import CompletionItem, get_completion_class

from s4m.command import Session, common
from s4m.errors import BadInput

DEFAULT_HOME = Path("~/.slicing4meta")
PACKAGE = Path(__file__).parent.parent / "orchestrator" / "models"
SEEN = Path("run") / "catalogue.json"
"""Names and plan ids of the last `s4m catalog list` in this home."""

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def _home(context: click.Context) -> Path:
    """As the command line says, or S4M_HOME (which click reads for --home)."""
    return Path(context.params.get("home") or DEFAULT_HOME).expanduser()


def _offer(names: Callable[[Path], Iterable[str]]) -> Complete:
    def complete(context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
        return [CompletionItem(name) for name in sorted(set(names(_home(context)))) if name.startswith(begun)]

    return complete


def _stems(folder: Path) -> list[str]:
    return [path.stem for path in folder.glob("*.json")]


def _subscriptions(home: Path) -> list[str]:
    return [name for name in _stems(home / "wallets" / "sessions") if name.isdecimal()]


def _for_sale(home: Path) -> list[str]:
    """Installed models and services, and whatever the catalogue listed when it was last looked at."""
    return [*_stems(PACKAGE / "services"), *_stems(PACKAGE / "manifests"), *_seen(home)]


def _seen(home: Path) -> list[str]:
    try:
        return list(map(str, json.loads((home / SEEN).read_text())["names"]))
    except (OSError, ValueError, TypeError, KeyError):
        return []


def remember(home: Path, names: Iterable[str]) -> None:
    """Keeps the catalogue's names for the next Tab."""
    from s4m.processes import write_atomically

    write_atomically(home / SEEN, {"names": sorted(set(names))})


WALLETS = _offer(lambda home: _stems(home / "wallets"))
SUBSCRIPTIONS = _offer(_subscriptions)
FOR_SALE = _offer(_for_sale)
ACCOUNTS = _offer(lambda home: _stems(home / "keys" / "accounts"))


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@common
def completion(session: Session, shell: str) -> None:
    """Print the script that makes SHELL complete commands, options, wallets, plans and subscriptions.

    bash: eval "$(s4m completion bash)" in ~/.bashrc. zsh: the same in ~/.zshrc, after compinit. fish: s4m completion
    fish > ~/.config/fish/completions/s4m.fish.
    """
    from s4m.main import COMPLETE_VARIABLE, cli

    made = get_completion_class(shell)
    if made is None:
        raise BadInput(f"There is no completion for {shell}.", "Use bash, zsh or fish.")
    script = made(cli, {}, "s4m", COMPLETE_VARIABLE).source()
    if session.as_json:
        session.show({"shell": shell, "script": script})
    else:
        click.echo(script)
