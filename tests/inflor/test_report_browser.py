"""The pages in headless Chromium, from disk: drawn, sorted, hovered over and printed; wide, narrow, light and dark."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Page, browsing, chromium
from command_line import Files

import inflor

pytestmark = pytest.mark.skipif(
    chromium() is None, reason="no chromium is installed (Debian: apt-get install chromium)"
)
DESKTOP, PHONE = (1280, 900), (390, 844)
MARKS = "svg path, svg rect, svg circle, svg line"
CHARTS = {
    *("rates", "differ", "potentials", "energy", "terms", "layers", "chip-loihi2", "chip-spinnaker1", "timeline"),
}


@pytest.fixture(scope="module")
def report(files: Files, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shown")
    inflor.run(files.integers, dataset="digits", samples=20, out=folder / "cpu.h5")
    options = {"float_model": files.graph, "targets": ["cpu", "spinnaker"]}
    inflor.report(files.integers, folder / "cpu.h5", folder / "report.html", **options)
    return folder / "report.html"


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with browsing() as opened:
        yield opened


@pytest.fixture(autouse=True)
def quiet(page: Page) -> Iterator[None]:
    """No test may leave an error in the console, or a request for anything but the page."""
    page.errors.clear()
    page.requests.clear()
    yield
    assert page.errors == []
    assert [r for r in page.requests if not r.startswith("file://") or not r.endswith(".html")] == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("screen", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_every_chart_is_drawn_within_the_width(
    page: Page, report: Path, tmp_path: Path, screen: tuple[int, int], dark: bool
) -> None:
    page.screen(*screen, dark=dark)
    page.open(report)
    drawn = page.run(
        "Object.fromEntries([...document.querySelectorAll('.chart')].map("
        f"(chart) => [chart.dataset.chart, chart.querySelectorAll('{MARKS}').length]))"
    )
    assert drawn.keys() == CHARTS
    assert min(drawn.values()) > 3, drawn
    assert page.run("document.documentElement.scrollWidth") <= screen[0]
    wide = page.run(
        "[...document.querySelectorAll('.chart svg, canvas, p, figcaption, h1, dl')].filter((e) => "
        "e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.outerHTML.slice(0, 90))"
    )
    assert wide == []
    ground, ink = page.run(
        "((s) => [s.backgroundColor, s.color])(getComputedStyle(document.body))",
    )
    assert (_light(ground) < _light(ink)) is dark
    kept = Path(os.environ.get("INFLOR_SCREENSHOTS") or tmp_path)
    kept.mkdir(parents=True, exist_ok=True)
    shot = page.picture(kept / f"report-{screen[0]}-{'dark' if dark else 'light'}.png")
    assert shot.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def _light(color: str) -> int:
    return sum(int(part) for part in color[color.index("(") + 1 : -1].split(",")[:3])


def test_the_raster_is_painted_and_names_the_neuron_under_the_pointer(page: Page, report: Path) -> None:
    page.screen(*DESKTOP)
    page.open(report)
    painted = page.run(
        "[...document.querySelectorAll('canvas')].map((c) => { const d = c.getContext('2d')"
        ".getImageData(0, 0, c.width, c.height).data; let n = 0; "
        "for (let i = 3; i < d.length; i += 4) n += d[i] === 255; return n; })"
    )
    said = page.run("[...document.querySelectorAll('canvas')].map((c) => parseInt(c.ariaLabel.split(': ')[1]))")
    assert painted == said
    assert sum(painted) > 0
    page.run("document.querySelector('canvas').scrollIntoView({block: 'center', behavior: 'instant'})")
    x, y = page.run("((b) => [b.left + 3, b.top + 3])(document.querySelector('canvas').getBoundingClientRect())")
    page.move(x, y)
    assert page.run("document.getElementById('hint').hidden") is False
    assert page.run("document.getElementById('hint').textContent").startswith("neuron1 (0)\nstep 0: ")
    page.move(2, 2)
    assert page.run("document.getElementById('hint').hidden") is True


def test_hovering_over_a_bar_shows_its_numbers(page: Page, report: Path) -> None:
    page.screen(*DESKTOP)
    page.open(report)
    bar = "document.querySelector('[data-chart=rates] g[aria-label=bar] rect')"
    page.run(f"{bar}.scrollIntoView({{block: 'center', behavior: 'instant'}})")
    for part in (0.1, 0.5, 0.97):
        at = f"((b) => [b.left + {part} * b.width, b.top + b.height / 2])({bar}.getBoundingClientRect())"
        page.move(*page.run(at))
        shown = page.run("document.querySelector('[data-chart=rates] g[aria-label=tip]').textContent")
        assert "neuron1" in shown
        assert "float" in shown
        page.move(1, 1)


def test_tables_sort_by_the_keyboard_alone(page: Page, report: Path) -> None:
    page.screen(*DESKTOP)
    page.open(report)
    column = "[...document.querySelector('#populations thead tr').cells].findIndex((c) => c.textContent === 'Spikes')"
    values = (
        f"(() => {{ const at = {column}; return [...document.querySelector('#populations tbody').rows]"
        ".map((r) => r.cells[at].dataset.value ?? null); })()"
    )
    page.run(f"document.querySelector('#populations thead tr').cells[{column}].querySelector('button').focus()")
    for order, turned in (("ascending", False), ("descending", True)):
        page.press("Enter", 13, "\r")
        known = [float(v) for v in page.run(values) if v is not None]
        assert known == sorted(known, reverse=turned)
        assert page.run(values)[-1] is None
        assert page.run(f"document.querySelector('#populations thead tr').cells[{column}].ariaSort") == order


def test_it_prints_with_everything_open(page: Page, report: Path, tmp_path: Path) -> None:
    page.screen(*DESKTOP, dark=True)
    page.open(report)
    printed = page.printed(tmp_path / "report.pdf").read_bytes()
    assert printed.startswith(b"%PDF")
    assert len(printed) > 20_000
    assert page.run("[...document.querySelectorAll('details')].every((d) => d.open)") is True


def test_charts_follow_the_width_of_the_window(page: Page, report: Path) -> None:
    page.screen(*DESKTOP)
    page.open(report)
    width = "document.querySelector('[data-chart=rates] svg').getBoundingClientRect().width"
    before = page.run(width)
    page.screen(*PHONE)
    assert page.run(width) < 390 < before


def test_a_page_whose_names_are_markup_runs_none_of_it(page: Page, files: Files, tmp_path: Path) -> None:
    from dataclasses import replace

    from inflor.quant import file as integer_nir

    network = integer_nir.read(files.integers)
    evil = "</script><script>window.caught = 1</script><img src=x onerror='window.caught = 2'>"
    model = tmp_path / "evil.int.nir"
    integer_nir.write(model, replace(network, info=replace(network.info, dataset=evil, architecture=evil)))
    inflor.run(model, dataset="digits", samples=2, out=tmp_path / "evil.h5")
    inflor.report(model, tmp_path / "evil.h5", tmp_path / "evil.html", hardware=["cmos45"])
    page.open(tmp_path / "evil.html")
    assert page.run("window.caught === undefined && document.querySelector('img') === null") is True


def test_the_comparison_is_drawn(page: Page, files: Files, tmp_path: Path) -> None:
    few = tmp_path / "few.int.nir"
    inflor.quantize(files.graph, bits=3, calibrate="digits", samples=32, out=few)
    inflor.compare([few, files.integers], dataset="digits", samples=20, out=tmp_path / "compare.html")
    for screen in (DESKTOP, PHONE):
        page.screen(*screen)
        page.open(tmp_path / "compare.html")
        assert page.run("document.querySelectorAll('[data-chart=comparison] svg').length") == 4
        assert page.run("document.querySelectorAll('[data-chart=comparison] circle').length") >= 8
        assert page.run("document.documentElement.scrollWidth") <= screen[0]
