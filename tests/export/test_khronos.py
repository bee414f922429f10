"""GLB and glTF as the Khronos glTF validator sees it: no error, no warning."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from meshanim.export import export

VALIDATOR = Path(sys.prefix) / "node" / "node_modules" / "gltf-validator"
SCRIPT = """
const validator = require(process.argv[1]), fs = require("fs");
validator.validateBytes(new Uint8Array(fs.readFileSync(process.argv[2]))).then(
    (report) => console.log(JSON.stringify(report.issues)));
"""


@pytest.fixture(scope="module")
def issues():
    """Called with a path, the validator's list of issues; ``make test`` installs it where npm is."""
    node = shutil.which("node")
    if node is None or not VALIDATOR.is_dir():
        pytest.skip(f"the Khronos validator is not there: {VALIDATOR}")

    def of(path):
        command = [node, "-e", SCRIPT, str(VALIDATOR), str(path)]
        return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    return of


@pytest.mark.parametrize("targets", ["auto", "components", "frames"])
@pytest.mark.parametrize("name", ["weighted", "moving", "arcs"])
def test_no_error_and_no_warning(request, issues, tmp_path, name, targets):
    found = issues(export(request.getfixturevalue(name), tmp_path / "a.glb", targets=targets))
    assert (found["numErrors"], found["numWarnings"]) == (0, 0), found["messages"]


@pytest.mark.parametrize("suffix", [".glb", ".gltf"])
def test_nor_with_a_texture(weighted, painted, issues, tmp_path, suffix):
    found = issues(export(weighted, tmp_path / f"a{suffix}", appearance=painted))
    assert (found["numErrors"], found["numWarnings"]) == (0, 0), found["messages"]


def test_it_would_complain(weighted, issues, tmp_path):
    path = export(weighted, tmp_path / "a.glb")
    path.write_bytes(path.read_bytes().replace(b'"componentType":5126', b'"componentType":5125', 1))
    assert issues(path)["numErrors"] > 0
