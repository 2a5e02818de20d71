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


def outputs() -> "dict[Path, str]":
    """The generated files with their texts."""
    api = document.read(ROOT / "api" / "openapi.json")
    python_sdk, node_sdk = SDK / "python" / "src" / "flysk", SDK / "node"
    texts = {
        python_sdk / "_version.py": python.version(api),
        python_sdk / "models.py": python.models(api),
        python_sdk / "operations.py": python.operations(api),
        node_sdk / "src" / "version.ts": typescript.version(api),
        node_sdk / "src" / "models.ts": typescript.models(api),
        node_sdk / "src" / "operations.ts": typescript.operations(api),
    }
    for name, places in (("package.json", 1), ("package-lock.json", 2)):
        texts[node_sdk / name] = with_version((node_sdk / name).read_text(encoding="utf-8"), api.version, places)
    return texts


def with_version(text: str, version: str, places: int) -> str:
    """A file of npm with the version of the package itself, which comes first in it."""
    return re.sub(r'"version": "[^"]*"', f'"version": "{version}"', text, count=places)


def main() -> None:
    is_check = sys.argv[1:] == ["--check"]
    if sys.argv[1:] and not is_check:
        raise SystemExit(__doc__)
    for path, text in outputs().items():
        current = path.read_text(encoding="utf-8") if path.exists() else None
        if current == text:
            continue
        if not is_check:
            path.write_text(text, encoding="utf-8")
        print(path.relative_to(ROOT))


main()
