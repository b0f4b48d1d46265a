"""Notebooks of the tutorials: run one, keep what it gives, make the site's page from it.

    python docs/notebooks.py     run each notebook in docs/tutorials/ anew, and keep its outputs

A notebook is run as it stands, cell by cell in one namespace, as Jupyter does. `docs/generate.py`
writes the page of each from what it holds.
"""

import ast
import base64
import contextlib
import io
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TUTORIALS = Path(__file__).parent / "tutorials"
IMAGES = Path(__file__).parent / "images"

Notebook = dict[str, Any]


def run_notebook(notebook: Notebook, parameters: str | None = None) -> None:
    """Run all cells of code and put what each gives into it.

    Args:
        notebook: in the format of Jupyter, version 4; its outputs are replaced.
        parameters: code that stands for the cell with the tag `parameters`.
    """
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for count, cell in enumerate(_list_code(notebook), start=1):
        given = parameters is not None and "parameters" in cell["metadata"].get("tags", ())
        code = str(parameters) if given else "".join(cell["source"])
        with _without_logs():
            cell["execution_count"], cell["outputs"] = count, _run_cell(code, namespace, count)


@contextlib.contextmanager
def _without_logs() -> Iterator[None]:
    """Keep the logs of libraries out of the notebook: some of them print theirs."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def _list_code(notebook: Notebook) -> list[dict[str, Any]]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def _run_cell(code: str, namespace: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """Run one cell: what it prints, and the value of its last line if that is an expression."""
    tree = ast.parse(code)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    value = None
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(tree, f"cell {count}", "exec"), namespace)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), f"cell {count}", "eval"), namespace)
    outputs: list[dict[str, Any]] = []
    if printed.getvalue():
        text = printed.getvalue().splitlines(keepends=True)
        outputs.append({"output_type": "stream", "name": "stdout", "text": text})
    if value is not None:
        result = {"output_type": "execute_result", "execution_count": count, "metadata": {}}
        outputs.append(result | {"data": _show(value)})
    return outputs


def _show(value: object) -> dict[str, object]:
    """A value as a notebook keeps it: a picture as PNG, anything else as Python writes it."""
    draw = getattr(value, "_repr_png_", None)
    if draw is None:
        return {"text/plain": repr(value).splitlines(keepends=True)}
    return {"image/png": base64.b64encode(draw()).decode("ascii")}


def list_notebooks() -> list[Path]:
    """The notebooks of the tutorials."""
    return sorted(TUTORIALS.glob("*.ipynb"))


def write_page(path: Path) -> Iterator[tuple[Path, bytes]]:
    """The page of a notebook, and the pictures on it: where each goes, and its bytes."""
    blocks = []
    for number, cell in enumerate(json.loads(path.read_text(encoding="utf-8"))["cells"]):
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            blocks.append(source)
            continue
        blocks.append(f"```python\n{source}\n```")
        for output in cell["outputs"]:
            text = output.get("text") or output.get("data", {}).get("text/plain")
            if text:
                blocks.append(f"```text\n{''.join(text).rstrip()}\n```")
            if drawn := output.get("data", {}).get("image/png"):
                image = IMAGES / f"{path.stem}-{number}.png"
                blocks.append(f"![{cell['metadata']['alt']}](../images/{image.name})")
                yield image, base64.b64decode(drawn)
    made = f"<!-- Made from {path.name} by docs/generate.py. -->"
    yield path.with_suffix(".md"), "\n\n".join([made, *blocks, ""]).encode()


def main() -> None:
    """Run each notebook anew and keep its outputs."""
    for path in list_notebooks():
        notebook = json.loads(path.read_text(encoding="utf-8"))
        run_notebook(notebook)
        path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", "utf-8")
        print(f"ran {path.name}", file=sys.stderr)


if __name__ == "__main__":
    main()
