"""House rules, as tiny programs."""

import ast
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from postgres_server import execute, postgres

import arrowetl

ROOT = Path(arrowetl.__file__).parent

FLOORS = """errors arguments brief nesting documents findings observing rejected remembering tunable
    sql arrow adbc duck files typemap sampling spool patterns secret exactness instances stopping
    | stage events ml postgres stores fidelity rules profiling contracts fitting
    | planning sources transforms sinks reliability observability result
    | engines diagnosis preview
    | tuning
    | pipeline testing
    | config
    | cli
    | __init__ __main__"""
FLOOR = {room: height for height, rooms in enumerate(FLOORS.split("|")) for room in rooms.split()}
# What a floor-2 room may know of its own floor: the engine's parts of one plan.
SAME_FLOOR_BELOW = {
    "fidelity": {"stage"},
    "fitting": {"stage"},
    "contracts": {"profiling", "rules"},
    "rules": {"stage", "profiling"},
    "files": {"errors"},
    "duck": {"errors", "sql", "arrow"},
    "testing": {"pipeline"},
}

FILES = sorted(ROOT.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(path: Path) -> list[tuple[int, str]]:
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("arrowetl."):
            found.append((node.lineno, node.module.split(".")[1]))
        elif isinstance(node, ast.ImportFrom) and node.module == "arrowetl":
            found += [(node.lineno, alias.name) for alias in node.names]
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_downward(path):
    room = room_of(path)
    if room == "__init__":
        return
    for line, other in imports(path):
        below = other == room or other in SAME_FLOOR_BELOW.get(room, ())
        lowest = FLOOR[room] == 0 and FLOOR[other] == 0
        assert below or lowest or FLOOR[other] < FLOOR[room], f"{path}:{line} imports {other}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_can_be_read_whole(path):
    assert len(path.read_text().splitlines()) <= 500


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_functions_are_short(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0
            assert lines <= 40, f"{path}:{node.lineno} {node.name} has {lines} lines"


def test_rows_never_become_python_objects():
    """Rows may become objects only where people look at a few of them."""
    allowed = {"cli", "result", "testing", "preview"}
    for path in FILES:
        if room_of(path) in allowed:
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if "# small:" in line:  # the line says why it is only a few values
                continue
            if ">>>" in line or "... " in line:
                continue
            for word in (".to_pylist()", ".iterrows()", ".as_py()"):
                assert word not in line, f"{path}:{number} {line.strip()}"


def test_all_is_complete():
    names = [name for name in arrowetl.__all__ if name != "__version__"]
    for name in arrowetl.__all__:
        assert getattr(arrowetl, name) is not None
    assert set(names) == set(arrowetl._HOME)


def test_importing_it_loads_nothing_heavy():
    code = "import arrowetl, sys; print(' '.join(sorted(m for m in sys.modules if '.' not in m)))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    heavy = {"torch", "sklearn", "ray", "pandas", "polars", "duckdb", "pyarrow", "numpy", "rich"}
    assert not heavy & set(loaded)


def test_the_help_of_the_command_line_loads_nothing_heavy():
    code = (
        "import sys\nfrom arrowetl.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "print(' '.join(sorted(m for m in sys.modules if '.' not in m)), file=sys.stderr)"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stderr.split()
    assert not {"duckdb", "pyarrow", "numpy", "pydantic", "yaml", "rich"} & set(loaded)


TARGETS = {
    "parquet": "ae.ParquetLoader(target)",
    "sqlite": "ae.SQLiteLoader(target, table='t')",
    "postgres": "ae.PostgreSQLLoader(uri=target, table='t')",
}


@pytest.mark.parametrize("kind", TARGETS)
def test_a_run_loads_no_data_frames_and_nothing_that_it_doesnt_use(kind, tmp_path):
    """Importing them takes 0.4 s; both pyarrow and ADBC do, where they aren't kept from it.

    Nor does a row that PostgreSQL refuses.
    """
    source = tmp_path / "people.csv"
    source.write_text("id,name\n1,Ada\n2,Bob\n", encoding="utf-8")
    code = (
        "import arrowetl as ae, sys\nsource, target = sys.argv[1:]\n"
        "(ae.Pipeline().extract(ae.CSVSource(source)).transform(ae.NullRemover('drop'))"
        f".transform('SELECT * FROM input').load({TARGETS[kind]}).run())\n"
        "print(' '.join(sys.modules))"
    )
    with ExitStack() as stack:
        target = tmp_path / "out"
        if kind == "postgres":
            target = stack.enter_context(postgres().database())
            execute(target, "CREATE TABLE t (id bigint CHECK (id > 1), name text)")
        command = [sys.executable, "-c", code, source, target]
        loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    unwanted = {"pandas", "polars", "pyarrow.dataset", "arrowetl.profiling.profile"}
    assert not (unwanted | {"arrowetl.contracts.contract", "arrowetl.tuning.tuner"}) & set(loaded)
