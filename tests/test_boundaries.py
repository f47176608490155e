"""The house rules: who may import whom, and what a node or a gateway must never load."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OURS = {"link", "device", "host_training", "export", "host_decoder", "latentlink", "tests"}
MAY_IMPORT = {
    "link": set(),
    "device": {"link"},
    "host_training": {"link"},
    "export": {"link", "host_training", "host_decoder"},
    "host_decoder": {"link"},
    "latentlink": {"link", "host_training"},
}
NEVER = {
    "link": {"torch", "tensorflow", "onnx", "onnxruntime", "constriction"},
    "device": {"torch", "tensorflow", "onnx", "onnxruntime", "constriction"},
    "host_decoder": {"torch", "tensorflow"},
}


@cache
def nodes(path: Path) -> list[ast.AST]:
    """All of a file's syntax; files are asked again and again."""
    return list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def imports(path: Path) -> set[str]:
    """Top-level names of everything a file imports, wherever in it."""
    found = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module.split(".")[0])
    return found


def modules_imported(path: Path) -> set[str]:
    """Full names of all that a file imports; `from link.wire import packet` gives link.wire.packet,
    which is a file, `from link.wire import Chunk` gives link.wire.
    """
    found = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                found.add(name if is_module(name) else node.module)
    return found


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or path.is_dir()


def sources(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_package_imports_only_its_neighbours(package):
    assert sources(package)
    for path in sources(package):
        foreign = (imports(path) & OURS) - MAY_IMPORT[package] - {package}
        assert not foreign, f"{path.relative_to(ROOT)} imports {sorted(foreign)}"
        forbidden = imports(path) & NEVER.get(package, set())
        assert not forbidden, f"{path.relative_to(ROOT)} imports {sorted(forbidden)}"


def test_export_runs_the_hosts_decoders_and_knows_nothing_else_of_the_host():
    entered = {
        module
        for path in sources("export")
        for module in modules_imported(path)
        if module.startswith("host_decoder")
    }
    assert entered == {
        "host_decoder.decode.classifier",
        "host_decoder.decode.onnx_decoder",
        "host_decoder.decode.prefixes",
        "host_decoder.teach.head",
    }
    for module in entered:
        path = ROOT.joinpath(*module.split(".")).with_suffix(".py")
        own = {name for name in modules_imported(path) if name.startswith("host_decoder")}
        assert own <= entered | {"host_decoder.teach.network_file"}


FLOORS = (
    ("base",),
    ("settings", "output", "coder", "picture"),
    ("bundle", "wire", "album"),
    ("security",),
    ("medium", "fog", "update", "messages"),
    ("node", "host", "carriers"),
    ("lorawan",),
    ("emulator", "monitor", "checkup", "gateway"),
)
"Rooms of link: each imports from floors below its own, and nothing from beside it."
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
FACES = {f"link.{room}" for room in FLOOR} | {
    "link.carriers.mqtt",
    "link.lorawan.node",
    "link.lorawan.host",
}
MAX_FILES = 12
MAX_NAMES = 12


def test_every_room_of_link_has_its_floor():
    rooms = {path.name for path in (ROOT / "link").iterdir() if (path / "__init__.py").is_file()}
    assert rooms == set(FLOOR)
    flat = {path.name for path in (ROOT / "link").glob("*.py")}
    assert flat == {"__init__.py", "__main__.py"}


@pytest.mark.parametrize("room", FLOOR)
def test_a_room_of_link_imports_only_from_below(room):
    for path in sources(f"link/{room}"):
        for module in modules_imported(path):
            package, _, rest = module.partition(".")
            other = rest.partition(".")[0]
            if package == "link" and other != room:
                assert FLOOR[other] < FLOOR[room], f"{path.relative_to(ROOT)} imports {module}"


@pytest.mark.parametrize("package", [package for package in MAY_IMPORT if package != "link"])
def test_a_room_of_link_is_entered_by_its_face(package):
    for path in sources(package):
        entered = {module for module in modules_imported(path) if module.startswith("link.")}
        inside = {module for module in entered if module not in FACES and not shown(module)}
        assert not inside, f"{path.relative_to(ROOT)} reaches into {sorted(inside)}"


def shown(module: str) -> bool:
    """Whether a room shows that file of it under the file's name."""
    face, _, name = module.rpartition(".")
    return face in FACES and name in names_of(face)


def names_of(face: str) -> list[str]:
    tree = ast.parse(ROOT.joinpath(*face.split("."), "__init__.py").read_text(encoding="utf-8"))
    return [
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]


@pytest.mark.parametrize("face", sorted(FACES))
def test_a_room_of_link_is_small_enough_to_know(face):
    folder = ROOT.joinpath(*face.split("."))
    files = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
    assert len(files) <= MAX_FILES
    names = names_of(face)
    assert len(names) <= MAX_NAMES, f"{face} shows {len(names)} names"
    used = {name for package in MAY_IMPORT for name in taken_from(face, package)}
    assert set(names) == used, f"{face} shows what nobody takes, or not what is taken"


def taken_from(face: str, package: str) -> set[str]:
    """Names that the files of another package import from a room."""
    if package == "link":
        return set()
    return {
        alias.name
        for path in sources(package)
        for node in nodes(path)
        if isinstance(node, ast.ImportFrom) and node.module == face
        for alias in node.names
    }


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_no_circle_of_files(package):
    graph = {
        module_name(path): modules_imported(path) - {module_name(path)} for path in sources(package)
    }
    done: set[str] = set()

    def visit(module: str, way: tuple[str, ...]) -> None:
        assert module not in way, " imports ".join([*way[way.index(module) :], module])
        if module in graph and module not in done:
            for other in sorted(graph[module]):
                visit(other, (*way, module))
            done.add(module)

    for module in graph:
        visit(module, ())


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


LOADS_NEVER = {
    "device": ("link.host", "link.lorawan.host", "link.emulator", "link.monitor", "device.flash"),
    "host_decoder": ("link.node", "link.lorawan.node", "link.monitor"),
}
"What each program's own modules never load of the other end, tried in a process."


@pytest.mark.parametrize("package", LOADS_NEVER)
def test_node_and_host_load_nothing_of_each_others_end(package):
    modules = [
        module_name(path)
        for path in sources(package)
        if path.name != "__main__.py" and "flash" not in path.parts and "live" not in path.parts
    ]
    script = f"import sys, {', '.join(modules)}\nprint(*sorted(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True
    )
    assert not loaded.returncode, loaded.stderr
    foreign = [
        module
        for module in loaded.stdout.split()
        if any(module == room or module.startswith(f"{room}.") for room in LOADS_NEVER[package])
    ]
    assert foreign == []


@pytest.mark.parametrize(
    ("library", "room"),
    [
        ("sqlalchemy", "host_decoder/store"),
        ("starlette", "host_decoder/web"),
        ("uvicorn", "host_decoder/web"),
    ],
)
def test_a_large_library_is_imported_in_one_room(library, room):
    users = [
        path for package in MAY_IMPORT for path in sources(package) if library in imports(path)
    ]
    assert users
    assert all(path.is_relative_to(ROOT / room) for path in users)


@pytest.mark.parametrize(
    ("library", "files"),
    [
        ("PIL", "export/universal/varied.py link/picture/reader.py"),
        ("serial", "link/carriers/serial_port.py"),
        ("paho", "link/carriers/mqtt/connection.py"),
        ("prometheus_client", "host_decoder/outputs/prometheus.py"),
        ("reedsolo", "link/wire/erasure.py"),
        ("flwr", "host_training/distributed/flower/app.py"),
    ],
)
def test_a_library_that_few_need_is_imported_in_one_file_or_two(library, files):
    users = [
        path for package in MAY_IMPORT for path in sources(package) if library in imports(path)
    ]
    assert sorted(str(path.relative_to(ROOT)) for path in users) == files.split()


@pytest.mark.parametrize("package", ["device", "host_decoder", "link"])
def test_every_module_loads_without_torch_and_tensorflow(package):
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in sources(package)
        if path.name not in ("__main__.py", "__init__.py")
    ]
    heavy = sorted(NEVER[package])
    script = (
        f"import sys, {', '.join([package, *modules])}\nprint(sorted(set({heavy}) & "
        "set(sys.modules)))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True
    )
    assert loaded.stdout.strip() == "[]", loaded.stdout + loaded.stderr


def test_what_make_runs_first_needs_nothing_that_is_not_pythons_own():
    script = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import latentlink.__main__"
    subprocess.run([sys.executable, "-I", "-S", "-c", script], check=True)
