"""The page of all codes and veto rules, made from their tables."""

from __future__ import annotations

import sys

from nascar_assets.constraints.codes import CODES
from nascar_assets.ontology.vetoes import VETO_KINDS


def codes_markdown() -> str:
    """The page of all codes and veto rules, as Markdown; `docs/constraint-codes.md` is this."""
    lines = [
        "# Constraint codes and veto rules",
        "",
        "Written by `python -m nascar_assets.constraints.codes_page`; change the tables in the "
        "code, not this page.",
        "",
        "## Codes",
        "",
        "Every denial carries one of these codes. They are stable: programs may compare them.",
        "",
        "| code | meaning | remedy |",
        "| --- | --- | --- |",
        *(f"| `{item.code}` | {item.meaning} | {item.remedy} |" for item in CODES.values()),
        "",
        "## Veto rules",
        "",
        "The closed vocabulary of veto rules. A rule for scenarios rejects every scenario in which "
        "it does not hold; a rule for lineups denies every lineup in which it does not hold. "
        "Parameters follow a colon: `not-both-in-top:places=5,other=4153`. A parameter in "
        "brackets may be left out.",
        "",
        "| rule | on a | rejects | parameters | what must hold |",
        "| --- | --- | --- | --- | --- |",
    ]
    for kind in VETO_KINDS.values():
        names = (f"[{p.name}]" if p.optional else p.name for p in kind.parameters)
        lines.append(
            f"| `{kind.name}` | {kind.subject} | {kind.scope}s | {', '.join(names) or '-'} | "
            f"{kind.meaning} |"
        )
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    sys.stdout.write(codes_markdown())
