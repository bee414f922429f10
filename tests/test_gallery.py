"""The pictures that the README shows are those that ``make gallery`` draws."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_picture_of_the_readme_is_drawn_by_a_script_of_the_gallery():
    recipe = re.search(r"^gallery:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe
    scripts = [ROOT / name for name in re.findall(r"benchmarks/\w+\.py", recipe[1])]
    drawn = "".join(script.read_text() for script in scripts)
    shown = [Path(name) for name in re.findall(r"!\[[^]]*\]\(([^)]+)\)", (ROOT / "README.md").read_text())]
    assert shown and all((ROOT / path).is_file() for path in shown)
    assert [path.name for path in shown if f'RESULTS / "{path.name}"' not in drawn] == []
