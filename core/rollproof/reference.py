"""Reference tables of documents, generated from the declarations: docs/scale-set.md,
docs/events.md, docs/template.md.

Print it with: python -c "from rollproof.reference import reference_table as t; print(t())"
"""

from collections.abc import Iterator

import attrs

from rollproof.bounds import written
from rollproof.counterparts import COUNTERPARTS
from rollproof.fleet import ScaleSet
from rollproof.health import KIND_OF
from rollproof.validation import Declared, declaration_of


def reference_table(cls: type[Declared] = ScaleSet) -> str:
    """Every key of the document as Markdown, one section for each table."""
    return "\n\n".join(_sections(cls, "", "Top level", set()))


def counterparts_table() -> str:
    """Every field of a template that says what a key of the document says, as Markdown."""
    rows = (f"| `{theirs}` | `{own}` |" for theirs, own in COUNTERPARTS.items())
    return "\n".join(["| Field of the template | Key |", "| --- | --- |", *rows])


def _sections(
    cls: type[Declared], path: str, title: str, told: set[type[Declared]]
) -> Iterator[str]:
    """The section of one class, then those of the tables in it that were not told yet."""
    told.add(cls)
    rows = [_row(attribute) for attribute in attrs.fields(cls)]
    if cls in KIND_OF:
        spelled = f'`"{KIND_OF[cls]}"`'
        rows.insert(0, f"| `kind` | text | required | {spelled} | R5.2 | Kind of the source. |")
    meaning = (cls.__doc__ or "").partition("\n")[0]
    header = "| Key | Type | Default | Allowed | Requirement | Meaning |\n|" + " --- |" * 6
    yield f"### {title}\n\n{meaning}\n\n{header}\n" + "\n".join(rows)
    for attribute in attrs.fields(cls):
        bound = declaration_of(attribute).bound
        for nested in (each for each in bound.nested if each not in told):
            inner = f"{path}{attribute.name}"
            brackets = f"`[[{inner}]]`" if "list" in bound.kind else f"`[{inner}]`"
            kind = f', kind `"{KIND_OF[nested]}"`' if nested in KIND_OF else ""
            yield from _sections(nested, f"{inner}.", brackets + kind, told)


def _row(attribute: "attrs.Attribute[object]") -> str:
    declaration = declaration_of(attribute)
    required = attribute.default is attrs.NOTHING
    default = "required" if required else written(attribute.default)
    cells = (
        f"`{attribute.name}`",
        declaration.bound.kind,
        default,
        declaration.bound.allowed,
        declaration.requirement or "—",
        declaration.doc,
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
