"""Runs commands as a person would: `run("wallet", "list")` gives the exit code and the parsed JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from s4m.main import cli


@dataclass
class Answer:
    """What a command left behind; `json` is the answer on stdout, or else the error: the last line of stderr."""

    code: int
    json: Any
    text: str
    errors: str


Run = Callable[..., Answer]

ENVIRONMENT = {"S4M_WALLET_PASSWORD": "correct horse", "S4M_SCRYPT_N": "1024"}


def runner(home: Path, **always: str) -> Run:
    def run(*words: object, as_json: bool = True, **environment: str) -> Answer:
        arguments = [str(word) for word in words] + ["--home", str(home)] + (["--json"] if as_json else [])
        done = CliRunner().invoke(cli, arguments, env={**ENVIRONMENT, **always, **environment})
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        said = done.stdout.strip() or (done.stderr.strip().splitlines() or [""])[-1]
        answer = json.loads(said) if as_json and said else None
        return Answer(done.exit_code, answer, done.stdout, done.stderr)

    return run
