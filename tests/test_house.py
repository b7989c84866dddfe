"""The house: one import name, imports that run one way, no circle, and each file once in what is installed."""

from __future__ import annotations

import ast
import importlib.util
import os
import subprocess
import sys
import tarfile
import zipfile
from collections import Counter
from pathlib import Path

import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

ROOT = Path(__file__).resolve().parents[1]
STAGES = ("converter", "quant", "targets")
OPTIONAL = {"lava": "targets/loihi", "spynnaker": "targets/spinnaker", "matplotlib": ""}
"""Optional packages, and the one folder that may import each; matplotlib only within functions."""


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name; the stages' real folders stand in for the links to them."""
    found = {}
    for top in ("inflor", *STAGES):
        for path in (ROOT / top).rglob("*.py"):
            inside = path.relative_to(ROOT)
            if top == "inflor" and inside.parts[1] in STAGES:
                continue
            parts = ("inflor", *inside.with_suffix("").parts) if top in STAGES else inside.with_suffix("").parts
            found[".".join(parts).removesuffix(".__init__")] = path
    return found


def imported(name: str, path: Path, known: dict[str, Path], everywhere: bool) -> set[str]:
    """The modules of the package that a module imports when it is imported, or anywhere in it."""
    found: set[str] = set()
    tree = ast.parse(path.read_text("utf-8"))
    nodes = list(ast.walk(tree)) if everywhere else _at_import(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name in known}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                found |= {full} if full in known else {node.module} & known.keys()
    return found - {name}


def _at_import(tree: ast.AST) -> list[ast.AST]:
    """What runs when a module is imported: not functions, nor what only type checkers read."""
    found: list[ast.AST] = []
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        found += [node, *_at_import(node)]
    return found


def test_no_modules_import_each_other_in_a_circle() -> None:
    known = modules()
    names = list(known)
    pairs = [(names.index(a), names.index(b)) for a in names for b in imported(a, known[a], known, everywhere=False)]
    rows, columns = zip(*pairs, strict=True)
    links = coo_array(([1] * len(pairs), (rows, columns)), shape=(len(names), len(names)))
    _, labels = connected_components(links, connection="strong")
    circles = [[n for n, at in zip(names, labels, strict=True) if at == i] for i, k in Counter(labels).items() if k > 1]
    assert circles == []


def test_imports_run_one_way() -> None:
    """inflor -> targets -> quant -> converter, whatever the place of the import."""
    known = modules()
    level = {"converter": 0, "quant": 1, "targets": 2}

    def stage(name: str) -> int:
        parts = name.split(".")
        return level.get(parts[1], 3) if len(parts) > 1 else 3

    allowed = {"inflor"}  # the package itself: its place, and its version
    wrong = [
        (name, used)
        for name, path in known.items()
        for used in imported(name, path, known, everywhere=True) - allowed
        if stage(used) > stage(name)
    ]
    assert wrong == []


def test_targets_do_not_know_each_other_and_shared_modules_know_none() -> None:
    known = modules()
    folder = ROOT / "targets"
    targets = {path.parent.name for path in folder.glob("*/options.py")}
    assert {"cpu", "float", "loihi", "spinnaker"} <= targets
    wrong = []
    for name, path in known.items():
        parts = name.split(".")
        if parts[:2] != ["inflor", "targets"]:
            continue
        mine = parts[2] if len(parts) > 2 and parts[2] in targets else None
        for used in imported(name, path, known, everywhere=True):
            other = used.split(".")[2:3]
            if used.startswith("inflor.targets.") and other[0] in targets and other[0] != mine:
                wrong.append((name, used))
    assert wrong == []


@pytest.mark.parametrize("package", OPTIONAL)
def test_optional_packages_are_imported_in_their_place_only(package: str) -> None:
    wrong = []
    for name, path in modules().items():
        tree = ast.parse(path.read_text("utf-8"))
        place = OPTIONAL[package]
        nodes = _at_import(tree) if not place else list(ast.walk(tree))
        used = {
            top
            for node in nodes
            for top in (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
        }
        inside = place and path.is_relative_to(ROOT / place)
        if not inside and any(top == package or top.startswith(f"{package}.") for top in used):
            wrong.append(name)
    assert wrong == []


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_imported_from_the_root_says_its_right_name(stage: str) -> None:
    done = subprocess.run([sys.executable, "-c", f"import {stage}"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert f"ImportError: import inflor.{stage}, not {stage}" in done.stderr


def test_files_of_the_users_own_with_our_names_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "converter.py").write_text("raise RuntimeError('imported')\n")
    (tmp_path / "targets.py").write_text("raise RuntimeError('imported')\n")
    (tmp_path / "quant").mkdir()
    (tmp_path / "quant" / "__init__.py").write_text("raise RuntimeError('imported')\n")
    script = tmp_path / "script.py"
    script.write_text("import inflor\nprint(len(inflor.list_targets()) >= 4, inflor.quantize.__name__)\n")
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, env={**os.environ})
    assert (done.stdout, done.stderr) == ("True quantize\n", "")


def test_wheel_and_sdist_hold_each_file_once(tmp_path: Path) -> None:
    if importlib.util.find_spec("setuptools") is None:
        pytest.skip("setuptools is not installed")
    tree = tmp_path / "tree"
    for file in subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.split():
        source = ROOT / file
        if file.split("/")[0] not in ("tests", "docs", "benchmarks", "examples") and source.exists():
            (tree / file).parent.mkdir(parents=True, exist_ok=True)
            if source.is_symlink():
                (tree / file).symlink_to(os.readlink(source))
            else:
                (tree / file).write_bytes(source.read_bytes())
    if not tree.exists():
        pytest.skip("not a git checkout")
    program = (
        "import sys\nfrom setuptools import build_meta\nout = sys.argv[1]\n"
        "build_meta.build_sdist(out), build_meta.build_wheel(out)\n"
    )
    subprocess.run([sys.executable, "-c", program, tmp_path], cwd=tree, check=True, capture_output=True)
    (wheel,), (sdist,) = tmp_path.glob("*.whl"), tmp_path.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        hashes = Counter(archive.read(n) for n in names if n.endswith(".py") and len(archive.read(n)) > 200)
    assert {name.split("/")[0].split("-")[0] for name in names} == {"inflor"}
    assert max(Counter(names).values()) == max(hashes.values()) == 1
    expected = {str(p.relative_to(ROOT)) for top in STAGES for p in (ROOT / top).rglob("*.py")}
    assert {f"inflor/{name}" for name in expected} <= set(names)
    assert {"inflor/__init__.pyi", "inflor/py.typed", "inflor/targets/chips/hardware.yaml"} <= set(names)
    with tarfile.open(sdist) as packed:
        inside = [member.name.split("/", 1)[1] for member in packed.getmembers() if member.isfile()]
        assert not any(member.issym() for member in packed.getmembers())
    assert max(Counter(inside).values()) == 1
    assert {f"inflor/{name}" for name in expected} <= set(inside)
