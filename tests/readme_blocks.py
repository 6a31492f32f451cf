"""Take the code blocks out of a Markdown file: ``python readme_blocks.py README.md`` prints the
first Python block."""

from __future__ import annotations

import re
import sys
from pathlib import Path


def code_blocks(path: str | Path, language: str) -> list[str]:
    """Return the contents of all fenced blocks of this language."""
    text = Path(path).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


if __name__ == "__main__":
    print(code_blocks(sys.argv[1], "python")[0])
