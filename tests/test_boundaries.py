"""The house rules: who may import whom, and what a node or a gateway must never load."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OURS = {"link", "device", "host_training", "export", "host_decoder", "latentlink", "tests"}
MAY_IMPORT = {
    "link": set(),
    "device": {"link"},
    "host_training": {"link"},
    "export": {"link", "host_training"},
    "host_decoder": {"link"},
    "latentlink": {"link", "host_training"},
}
NEVER = {
    "link": {"torch", "tensorflow", "onnx", "onnxruntime", "constriction"},
    "device": {"torch", "tensorflow", "onnx", "onnxruntime", "constriction"},
    "host_decoder": {"torch", "tensorflow"},
}


def imports(path: Path) -> set[str]:
    """Top-level names of everything a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module.split(".")[0])
    return found


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


@pytest.mark.parametrize(
    ("library", "file"),
    [
        ("PIL", "link/picture/reader.py"),
        ("serial", "link/carriers/serial_port.py"),
        ("paho", "link/lorawan/host/carrier.py"),
        ("reedsolo", "link/wire/erasure.py"),
    ],
)
def test_a_library_that_few_need_is_imported_in_one_file(library, file):
    users = [
        path for package in MAY_IMPORT for path in sources(package) if library in imports(path)
    ]
    assert [str(path.relative_to(ROOT)) for path in users] == [file]


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
