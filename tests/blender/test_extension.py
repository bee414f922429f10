"""The extension's ZIP: what is in it, and that Blender installs it and forgets it again."""

import ast
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "blender" / "meshanim_io").glob("*.py"))


def test_the_archive_holds_the_extension_and_nothing_else(extension):
    with zipfile.ZipFile(extension) as archive:
        names = archive.namelist()
        manifest = tomllib.loads(archive.read("blender_manifest.toml").decode())
    assert names == sorted(["blender_manifest.toml", *(path.name for path in SOURCES)])
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert manifest["version"] == project["version"]
    assert extension.name == f"meshanim_io-{project['version']}.zip"


def test_the_same_sources_give_the_same_bytes(extension, tmp_path):
    again = [sys.executable, str(ROOT / "blender" / "build_extension.py"), str(tmp_path)]
    subprocess.run(again, check=True, capture_output=True)
    assert (tmp_path / extension.name).read_bytes() == extension.read_bytes()


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_a_module_imports_only_what_blender_has(path):
    tree = ast.walk(ast.parse(path.read_text()))
    nodes = [node for node in tree if isinstance(node, ast.Import | ast.ImportFrom)]
    found = {a.name.split(".")[0] for node in nodes if isinstance(node, ast.Import) for a in node.names}
    found |= {str(n.module).split(".")[0] for n in nodes if isinstance(n, ast.ImportFrom) and not n.level}
    assert found <= {"bpy", "bpy_extras", "mathutils", "numpy"} | (sys.stdlib_module_names - {"pickle"})


def test_it_is_installed_and_leaves_nothing_behind_when_disabled(blender):
    off, on = [False, False, False], [True, True, True]
    assert blender.facts["states"] == [off, on, off, on, off, on]


def test_the_panel_offers_both_operators_and_the_bones_of_an_armature(blender):
    assert blender.facts["buttons"] == ["import_scene.meshanim", "object.meshanim_apply_weights"]
    assert blender.facts["searches"] == 1
