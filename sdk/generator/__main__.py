"""Writes the generated files of the SDKs from `api/openapi.json`.

    python3 sdk/generator          writes them
    python3 sdk/generator --check  names those that are out of date, one a line

Needs Python 3.9 or newer and nothing else.
"""

import re
import sys
from pathlib import Path

import document
import python
import typescript

ROOT = Path(__file__).resolve().parents[2]
SDK = ROOT / "sdk"
PYTHON, NODE = SDK / "python" / "src" / "flysk", SDK / "node"
# Directories with nothing but generated files.
GENERATED = (PYTHON / "models", PYTHON / "operations", NODE / "src" / "models")
# Longer files get another subject: `SUBJECTS` in `document.py`.
MAX_LINES = 400


def outputs() -> "dict[Path, str]":
    """The generated files with their texts."""
    api = document.read(ROOT / "api" / "openapi.json")
    models = typescript.models(api)
    texts = {
        PYTHON / "_version.py": python.version(api),
        NODE / "src" / "version.ts": typescript.version(api),
        NODE / "src" / "models.ts": typescript.index([*models]),
        NODE / "src" / "operations.ts": typescript.operations(api),
    }
    texts |= {PYTHON / "models" / f"{name}.py": text for name, text in python.models(api).items()}
    texts |= {PYTHON / "operations" / f"{name}.py": text for name, text in python.operations(api).items()}
    texts |= {NODE / "src" / "models" / f"{name}.ts": text for name, text in models.items()}
    for path, text in texts.items():
        if text.count("\n") > MAX_LINES:
            raise SystemExit(f"{path.relative_to(ROOT)} would have more than {MAX_LINES} lines")
    for name, places in (("package.json", 1), ("package-lock.json", 2)):
        texts[NODE / name] = with_version((NODE / name).read_text(encoding="utf-8"), api.version, places)
    return texts


def superfluous(texts: "dict[Path, str]") -> "list[Path]":
    """Files in the generated directories that are generated no more."""
    found = [path for directory in GENERATED for path in directory.glob("*.*")]
    return sorted(path for path in found if path not in texts)


def with_version(text: str, version: str, places: int) -> str:
    """A file of npm with the version of the package itself, which comes first in it."""
    return re.sub(r'"version": "[^"]*"', f'"version": "{version}"', text, count=places)


def main() -> None:
    is_check = sys.argv[1:] == ["--check"]
    if sys.argv[1:] and not is_check:
        raise SystemExit(__doc__)
    texts = outputs()
    for path, text in texts.items():
        current = path.read_text(encoding="utf-8") if path.exists() else None
        if current == text:
            continue
        if not is_check:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        print(path.relative_to(ROOT))
    for path in superfluous(texts):
        if not is_check:
            path.unlink()
        print(path.relative_to(ROOT))


main()
