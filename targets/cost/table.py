"""An estimate as a table with footnotes, fit for a paper: text, Markdown or LaTeX."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from inflor.targets.chips.figures import CHECKS
from inflor.targets.cost.result import CostReport, Estimate, Term

HEADINGS = (
    "hardware",
    "energy",
    "energy, low to high",
    "idle",
    "latency",
    "latency, low to high",
    "streamed",
    "energy x delay",
    "cores",
    "sources",
)
NOT_PUBLISHED = "not published"
_PREFIXES = ((1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"), (1e-12, "p"), (1e-15, "f"))
_LATEX = {
    "µ": r"$\mu$",
    "%": r"\%",
    "&": r"\&",
    "_": r"\_",
    "#": r"\#",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
}


@dataclass(frozen=True)
class Table:
    """headings and rows of text; footnotes: what the letters of the last column stand for, in order."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    footnotes: tuple[str, ...]
    caption: str


def table(report: CostReport) -> Table:
    """One row per estimate; everything is per inference."""
    footnotes: dict[str, str] = {}
    rows = tuple(_row(estimate, footnotes) for estimate in report.estimates)
    counts, samples = report.counts, report.counts.samples
    caption = (
        f"Per inference ({counts.timesteps} timesteps, mean of {samples} samples): "
        f"{counts.spikes / samples:.6g} spikes, "
        f"{counts.synaptic_events / samples:.6g} synaptic events, "
        f"{counts.total('input_macs') / samples:.6g} multiplications of the graded input, "
        f"{counts.neuron_updates / samples:.6g} neuron updates."
    )
    return Table(HEADINGS, rows, tuple(f"{letter}  {text}" for text, letter in footnotes.items()), caption)


def text(report: CostReport) -> str:
    """Columns of plain text."""
    made = table(report)
    lines = [made.headings, *made.rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(made.headings))]
    rows = [
        "  ".join(
            c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    return "\n".join([*rows, "", made.caption, "", *below(report)])


def below(report: CostReport) -> tuple[str, ...]:
    """What stands below a table and its caption: footnotes and notes, a line each."""
    return (*table(report).footnotes, *report.warnings, *report.notes)


def markdown(report: CostReport) -> str:
    """A table of GitHub's Markdown, caption and footnotes below."""
    made = table(report)
    rule = tuple("---" if i == 0 else "---:" for i in range(len(made.headings)))
    rows = ["| " + " | ".join(line) + " |" for line in (made.headings, rule, *made.rows)]
    notes = [f"- {note}" for note in (*made.footnotes, *report.warnings, *report.notes)]
    return "\n".join([*rows, "", made.caption, "", *notes])


def latex(report: CostReport) -> str:
    """A tabular and its notes."""
    made = table(report)
    rows = [" & ".join(map(_escaped, line)) + r" \\" for line in (made.headings, *made.rows)]
    columns = "l" + "r" * (len(made.headings) - 1)
    notes = [_escaped(note) + r" \\" for note in (made.caption, *made.footnotes, *report.warnings, *report.notes)]
    body = [rows[0], r"\hline", *rows[1:]]
    return "\n".join([rf"\begin{{tabular}}{{{columns}}}", *body, r"\end{tabular}", "", r"\footnotesize", *notes])


FORMATS: Mapping[str, Callable[[CostReport], str]] = {"text": text, "markdown": markdown, "latex": latex}


def quantity(value: float | None, unit: str, absent: str = NOT_PUBLISHED) -> str:
    """1.11e-05 J as 11.1 µJ, in three digits always; None as `absent`."""
    if value is None:
        return absent
    if value == 0:
        return f"0 {unit}"
    value = float(f"{value:.3g}")
    size = next((s for s, _ in _PREFIXES if abs(value) >= s), _PREFIXES[-1][0])
    scaled = value / size
    digits = 2 if abs(scaled) < 10 else 1 if abs(scaled) < 100 else 0
    return f"{scaled:.{digits}f} {dict(_PREFIXES)[size]}{unit}"


def _row(estimate: Estimate, footnotes: dict[str, str]) -> tuple[str, ...]:
    notes = [_source(t) for t in _terms(estimate)]
    notes += estimate.notes
    notes += [f"{NOT_PUBLISHED}: {what}" for what in estimate.unpublished if estimate.energy_joules is not None]
    letters = [footnotes.setdefault(note, _letter(len(footnotes))) for note in dict.fromkeys(notes)]
    absent = estimate.absent
    return (
        estimate.title,
        quantity(estimate.energy_joules, "J", absent),
        _range(estimate.energy_low_joules, estimate.energy_high_joules, "J"),
        "included" if estimate.includes_static else quantity(estimate.static_joules, "J", absent),
        quantity(estimate.latency_seconds, "s", absent),
        _range(estimate.latency_low_seconds, estimate.latency_high_seconds, "s"),
        quantity(estimate.streamed_seconds, "s", absent),
        quantity(estimate.energy_delay_joule_seconds, "J s", absent),
        "-" if estimate.cores is None else str(estimate.cores),
        " ".join(letters),
    )


def _range(low: float | None, high: float | None, unit: str) -> str:
    return "-" if low is None or low == high else f"{quantity(low, unit)} to {quantity(high, unit)}"


def _terms(estimate: Estimate) -> Sequence[Term]:
    static = () if estimate.static_term is None else (estimate.static_term,)
    return [t for t in (*estimate.terms, *static, *estimate.latency_terms) if t.each is not None]


def _source(term: Term) -> str:
    return f"{term.source}; {term.kind}; {CHECKS[term.check]}"


def _letter(number: int) -> str:
    """a to z, then aa, ab, ..."""
    first, last = divmod(number, 26)
    return (chr(96 + first) if first else "") + chr(97 + last)


def _escaped(value: str) -> str:
    return "".join(_LATEX.get(c, c) for c in value)
