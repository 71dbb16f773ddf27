"""Check that the interfaces document all that they declare; `make check` runs it.

What is asked of contracts/interfaces/: of an interface a title; of everything in it a notice; of parameters, members
and values one tag each, in their order; of functions one tag for each value that they return and, where they write, a
`@dev` that says what they assume of outsiders. solhint's use-natspec looks at the contracts' own functions and
variables; it knows no errors, structs and enums, and no nameless returns.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Any

from scripts.compile import ROOT
from scripts.syntax import sources_under, syntax_trees

Node = dict[str, Any]
TAG = re.compile(r"^\s*@(\w+)\s+(?=\S)", re.MULTILINE)
KINDS = {
    "ContractDefinition": "interface",
    "FunctionDefinition": "function",
    "EventDefinition": "event",
    "ErrorDefinition": "error",
    "StructDefinition": "struct",
    "EnumDefinition": "enum",
    "EnumValue": "value",
}


def tags_of(node: Node) -> dict[str, list[str]]:
    """Tag → its texts, in order; text before any tag counts as a notice, as it does for the compiler."""
    text = (node.get("documentation") or {}).get("text", "").strip()
    parts = TAG.split(text if text.startswith("@") else f"@notice {text}")
    tags: dict[str, list[str]] = {}
    for tag, content in zip(parts[1::2], parts[2::2], strict=True):
        tags.setdefault(tag, []).append(content.strip())
    return tags


def names_of(node: Node) -> list[str]:
    """What must have a `@param` each."""
    parameters = node.get("parameters") or {}
    return [named["name"] for named in node.get("members", parameters.get("parameters", []))]


def lacks(node: Node) -> Iterator[str]:
    """What the documentation of one declaration lacks."""
    kind, tags = node["nodeType"], tags_of(node)
    if "notice" not in tags:
        yield "a notice"
    if kind == "ContractDefinition" and "title" not in tags:
        yield "a title"
    if kind in {"ContractDefinition", "EnumDefinition", "EnumValue"}:
        return
    names = names_of(node)
    told = [text.split()[0] for text in tags.get("param", []) if len(text.split()) > 1]
    if told != names:
        yield f"@param for {', '.join(names) or 'nothing'}, each with a text (it has {', '.join(told) or 'none'})"
    if kind != "FunctionDefinition":
        return
    returned = node["returnParameters"]["parameters"]
    texts = tags.get("return", [])
    if len(texts) != len(returned) or not all(
        text.startswith(value["name"]) for text, value in zip(texts, returned, strict=True)
    ):
        yield f"@return for each of {len(returned)} values, by its name where it has one"
    if node["stateMutability"] in {"nonpayable", "payable"} and "dev" not in tags:
        yield "@dev: what it assumes of outsiders"


def declarations(node: Node) -> Iterator[Node]:
    yield node
    for child in node.get("nodes", []) + (node.get("members", []) if node["nodeType"] == "EnumDefinition" else []):
        yield from declarations(child)


def main() -> int:
    sources = sources_under("contracts/interfaces")
    output = syntax_trees(sources, stopAfter="parsing")
    seen, complaints = 0, 0
    for path in sources:
        content = (ROOT / path).read_bytes()
        for node in declarations(output["sources"][path]["ast"]):
            if node["nodeType"] not in KINDS:
                continue
            seen += 1
            line = content.count(b"\n", 0, int(node["src"].split(":")[0])) + 1
            for lack in lacks(node):
                complaints += 1
                print(f"{path}:{line}: {KINDS[node['nodeType']]} {node['name']} lacks {lack}")
    print(f"natspec: {seen} declarations in {len(sources)} interfaces, {complaints} findings")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
