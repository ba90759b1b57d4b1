"""Promises of every member; docs/design.md says why. lint-imports checks the import arrows."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MEMBERS = sorted(
    path.parent for floor in ("packages", "apps") for path in ROOT.glob(f"{floor}/*/pyproject.toml")
)
ANALYSIS = ("vs_isotonic", "vs_laws", "vs_logging", "vs_plots", "vs_analyze")
TRAINING = ("vs_agents", "vs_envs", "vs_train", "vs_quickstart")
HEAVY = ("jax", "flax", "optax", "mujoco", "dm_control", "gymnasium", "torch")
PICKLERS = {"pickle", "_pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}

# Runs in a fresh interpreter: imports every module of the packages, with connections forbidden.
IMPORT_ALL = """
import importlib, pkgutil, socket, sys

def refuse(self, address):
    raise AssertionError(f"connection to {address} while importing")

socket.socket.connect = socket.socket.connect_ex = refuse
for name in sys.argv[1].split(","):
    package = importlib.import_module(name)
    for module in pkgutil.walk_packages(package.__path__, name + "."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    missing = [public for public in package.__all__ if not hasattr(package, public)]
    assert not missing, f"{name}.__all__ promises {missing}"
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""

every_member = pytest.mark.parametrize("member", MEMBERS, ids=lambda path: path.name)


def project_of(member: Path) -> dict:
    return tomllib.loads((member / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def package_of(member: Path) -> Path:
    return member / "src" / project_of(member)["name"].replace("-", "_")


def public_names(body: list[ast.stmt]) -> set[str]:
    """Names that a module's statements bind, private ones left out."""
    names = set()
    for node in body:
        match node:
            case ast.Import() | ast.ImportFrom():
                names |= {(name.asname or name.name).partition(".")[0] for name in node.names}
            case ast.FunctionDef() | ast.ClassDef() | ast.AsyncFunctionDef():
                names.add(node.name)
            case ast.Assign():
                names |= {t.id for t in node.targets if isinstance(t, ast.Name)}
            case ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
    return {name for name in names if not name.startswith("_")}


def loaded_by(packages: tuple[str, ...]) -> set[str]:
    result = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, ",".join(packages)],
        capture_output=True,
        text=True,
        env=os.environ | {"MUJOCO_GL": "disabled", "MPLBACKEND": "Agg"},
    )
    assert result.returncode == 0, result.stderr
    return set(result.stdout.split())


def test_the_members_are_all_here():
    names = {project_of(member)["name"].replace("-", "_") for member in MEMBERS}
    assert names == {*ANALYSIS, *TRAINING}


@every_member
def test_member_has_its_parts(member):
    package = package_of(member)
    for part in (member / "README.md", package / "__init__.py", package / "py.typed"):
        assert part.is_file(), f"{part.relative_to(ROOT)} is missing"
    assert list(member.glob("tests/test_*.py")), f"{member.name} has no tests of its own"


@every_member
def test_init_holds_only_reexports_and_all(member):
    tree = ast.parse((package_of(member) / "__init__.py").read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    assigned = [node for node in tree.body if isinstance(node, ast.Assign)]
    others = [node for node in tree.body[1:] if not isinstance(node, ast.Assign | ast.ImportFrom)]
    assert not others, f"line {others[0].lineno} is neither an import nor __all__"
    assert [ast.unparse(node.targets[0]) for node in assigned] == ["__all__"]
    exported = ast.literal_eval(assigned[0].value)
    assert len(exported) == len(set(exported))
    assert set(exported) == public_names(tree.body)


@every_member
def test_dependencies_are_ranges_with_a_floor(member):
    project = project_of(member)
    root = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["requires-python"] == root["requires-python"]
    extras = project.get("optional-dependencies", {}).values()
    for requirement in [*project["dependencies"], *(one for extra in extras for one in extra)]:
        if not requirement.startswith("vs-"):
            assert re.match(r"[\w.-]+(\[[\w,-]+\])?>=", requirement), f"{requirement} has no floor"
        assert "==" not in requirement.partition(";")[0], f"{requirement} is pinned"


def sources() -> list[Path]:
    # Tests are left out: they make hostile files to see them refused.
    folders = [member / "src" for member in MEMBERS] + [ROOT / "benchmarks", ROOT / "data"]
    return sorted(path for folder in folders for path in folder.rglob("*.py"))


def pickling(tree: ast.AST) -> list[int]:
    """Lines that could unpickle (or pickle)."""
    lines = []
    for node in ast.walk(tree):
        match node:
            case ast.Import():
                bad = any(name.name.partition(".")[0] in PICKLERS for name in node.names)
            case ast.ImportFrom():
                bad = (node.module or "").partition(".")[0] in PICKLERS
            case ast.keyword(arg="allow_pickle"):
                bad = not (isinstance(node.value, ast.Constant) and node.value.value is False)
            case ast.Attribute():
                bad = node.attr in {"read_pickle", "to_pickle"}
            case _:
                continue
        if bad:
            lines.append(node.lineno)
    return lines


def test_no_pickle_in_sources():
    paths = sources()
    assert len(paths) > len(MEMBERS)
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in paths
        for line in pickling(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("code", "count"),
    [
        ("import pickle", 1),
        ("from pickle import loads", 1),
        ("np.load(path, allow_pickle=True)", 1),
        ("np.load(path, allow_pickle=trusted)", 1),
        ("pd.read_pickle(path)", 1),
        ("np.load(path, allow_pickle=False)", 0),
        ("'pickle is refused'", 0),
    ],
)
def test_the_pickle_search_can_fail(code, count):
    assert len(pickling(ast.parse(code))) == count


def test_the_analysis_half_imports_nothing_heavy_and_no_network():
    loaded = loaded_by(ANALYSIS)
    assert set(ANALYSIS) <= loaded
    assert loaded.isdisjoint({*HEAVY, *TRAINING})


def test_the_training_half_imports_without_network():
    loaded = loaded_by(TRAINING)
    assert {*TRAINING, "jax"} <= loaded  # and so the search above would have seen it
