"""What a preparation came to, as Markdown with bars that any reader shows."""

from collections.abc import Iterable

from engine.corpus.prepare import SPLITS, Counts

_BAR = 30
_MEANINGS = {
    "train": "to learn from",
    "valid": "to stop early by",
    "test": "to measure on, never to learn from",
    "set_aside": "describe a method or a dose: a person decides (`set_aside.jsonl`)",
    "unreadable": "could not be read",
    "short": "too short",
    "long": "too long",
    "garbled": "wrong encoding",
    "language": "another language",
    "letters": "hardly any words",
    "repetitive": "repeat themselves",
    "advertising": "advertise something",
    "duplicate": "the same as an earlier one",
    "near_duplicate": "nearly the same as an earlier one",
    "held_out": "stand in the held-out files",
}


def report(counts: Counts, files: Iterable[str]) -> str:
    """The counts for people, in Markdown."""
    kept = counts.kept
    lines = [
        "# The corpus",
        "",
        f"From {', '.join(f'`{name}`' for name in files)}: {counts.read:,} documents read, {kept:,} kept "
        f"({kept / max(1, counts.read):.1%}).",
        "",
        "| documents | | | |",
        "|---|---:|---|---|",
        *_bars(counts.results, counts.read),
        "",
        "Examples of what was left out, at most twenty of each kind, stand in `removed.jsonl`. Splits go by question: "
        "all answers to one question, and to questions nearly like it, are in the same split.",
        "",
        "## Personal data",
        "",
        "Masked where it stood; names are found where somebody introduces themselves or with a title, not elsewhere.",
        "",
        "| kind | pieces | |",
        "|---|---:|---|",
        *(
            f"| {kind} | {n:,} | {_bar(n, max(counts.personal.values()))} |"
            for kind, n in counts.personal.most_common()
        ),
        "",
        "## Size",
        "",
        *(f"- {split}: {counts.characters[split]:,} characters" for split in SPLITS),
    ]
    return "\n".join(lines) + "\n"


def _bars(results: dict[str, int], read: int) -> Iterable[str]:
    for name, meaning in _MEANINGS.items():
        if number := results.get(name, 0):
            yield f"| {name} | {number:,} | {_bar(number, read)} | {meaning} |"


def _bar(number: int, of: int) -> str:
    return "█" * max(1, round(_BAR * number / max(1, of)))
