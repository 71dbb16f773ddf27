"""policy.toml as a page for people: docs/reference/policy.md, written by `s4m trust policy --markdown`."""

from collections.abc import Iterator

from trust.policy import DEFAULT_MAX_BODY, Policy, Row

HEAD = """# Who may call what

Written by `s4m trust policy --markdown` from [trust/policy.toml](../../trust/policy.toml); a test compares them. What
no row names is denied. **public**: anybody. **signed**: the handler verifies a signature in the body or in the named
header. **session**: a buyer's session token, for the subscription that the path names and no other. Names of
components: by an access token of that component's enrolled key, with the scope, and a proof for the very request.
"""


def page(policy: Policy) -> str:
    """The whole page: one table an app, in the policy's order."""
    apps = dict.fromkeys(row.app for row in policy.rows)
    return HEAD + "".join(line for app in apps for line in _table(app, policy))


def _table(app: str, policy: Policy) -> Iterator[str]:
    yield f"\n## {app}\n\n| call | who | scope | most bytes |\n|---|---|---|---|\n"
    for row in policy.rows:
        if row.app == app:
            most = "" if row.max_body == DEFAULT_MAX_BODY else str(row.max_body)
            yield f"| `{row.method} {row.path}` | {_who(row)} | {row.scope} | {most} |\n"


def _who(row: Row) -> str:
    signed = f"signed in `{row.signed_header}`" if row.signed_header else "signed"
    ways = [signed if way == "signed" else way for way in sorted(row.access)]
    who = ", ".join([*sorted(row.callers), *ways]) or "the mounted app's own gate"
    return f"{who}, with a proof" if row.proof else who
