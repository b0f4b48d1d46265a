"""A type of rows in a file of its own goes the whole way; no room knows a type by its name."""

import ast
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console

import ikusi
import measured
from ikusi import language
from ikusi.data import rows as row_types
from ikusi.data import show
from ikusi.data.corpus import Corpus
from ikusi.data.importing import import_corpus
from ikusi.data.mixture import Mixture, MixturePart
from ikusi.errors import InputError
from ikusi.evaluate.benchmark import Benchmark
from ikusi.train.stages import train_stage
from ikusi.translate import prompt
from ikusi.translate.contract import Row
from ikusi.translate.gather import gather
from ikusi.translate.parse import parse
from train.samples import multimodal_model, stage
from translate import jobs

NAME = "preference"
SOURCE = Path(ikusi.__file__).parent


@pytest.fixture
def preference(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The folder of types, with one more file in it."""
    folder = Path(__file__).parent / "new_type"
    monkeypatch.setattr(row_types, "__path__", [*row_types.__path__, str(folder)])
    vars(row_types.REGISTRY).pop("every", None)
    yield
    vars(row_types.REGISTRY).pop("every", None)
    sys.modules.pop(f"ikusi.data.rows.{NAME}")


def benchmark(row_type: str) -> Benchmark:
    """The benchmark that asks which of a row's options is likelier."""
    return Benchmark(
        name="preferred",
        title="Preferred",
        mirrors="nothing",
        corpus="both",
        row_type=row_type,
        scorer="options",
        metric="accuracy",
        text_only=False,
        description="The better of two answers.",
    )


def table(folder: Path) -> Path:
    """Four good rows with pictures, and one whose two answers are the same."""
    (folder / "images").mkdir(parents=True)
    lines = []
    for number, (drawn, colour) in enumerate(measured.COLOURS.items()):
        Image.new("RGB", (16, 16), colour).save(folder / "images" / f"{number}.png")
        row = {"question": "what is on the left ?", "better": f"a {drawn}", "worse": "a house"}
        lines.append({"id": f"r{number}", "image": f"{number}.png", **row})
    lines.append({**lines[0], "id": "same", "worse": lines[0]["better"]})
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return folder / "rows.jsonl"


def imported(folder: Path) -> Corpus:
    counts = import_corpus("table", folder / "c", table(folder / "given"), row_type=NAME)
    assert (counts["rows_in"], counts["rows"], counts["quarantined"]) == (5, 4, 1)
    assert counts["quarantined: en: worse: expected another answer than the better one"] == 1
    return Corpus.open(folder / "c")


def translated(corpus: Corpus, folder: Path) -> Corpus:
    job = jobs.job(corpus, folder / "job")
    job.run()
    assert gather(job, folder / "both")["rows"] == 4
    return Corpus.open(folder / "both")


def shown(corpus: Corpus) -> str:
    console = Console(file=io.StringIO(), width=100, force_terminal=False)
    show.to_terminal(show.draw_samples(corpus, 4), console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.slow
@pytest.mark.usefixtures("preference")
def test_a_new_type_is_imported_translated_shown_trained_on_and_evaluated(tmp_path: Path) -> None:
    both = translated(imported(tmp_path), tmp_path)
    assert both.row("en", 1)["better"] == "a blue"
    row = both.row("eu", 1)
    assert (row["question"], row["better"], row["worse"]) == (
        "WHAT IS ON THE LEFT ?", "A BLUE", "A HOUSE",
    )  # fmt: skip
    assert row["translator"] == "capitals" and row["score"] == -0.5

    page = shown(both)
    assert "better: a blue ✓" in page and "worse: A HOUSE" in page

    mixture = Mixture([MixturePart(both, 0.5)], "eu", "en", seed=0)
    said = {sample.messages[1]["content"][0]["text"] for sample in mixture}
    assert {text.lower() for text in said} == {f"a {drawn}" for drawn in measured.COLOURS}
    model, processor = multimodal_model()
    trained = tmp_path / "trained"
    summary = train_stage(model, processor, mixture, stage(epochs=1), output=trained, seed=0)
    assert summary["counts"]["rows"] == 4 and summary["counts"]["languages"] == {"en": 2, "eu": 2}

    bench = benchmark(NAME)
    packs = {code: measured.pack(code) for code in ("en", "eu")}
    checkpoint, output = trained / "checkpoint", tmp_path / "out"
    found = measured.evaluate(checkpoint, [(bench, both)], ["en", "eu"], packs, output)
    assert found[bench.name]["en"]["all"]["n"] == 4
    assert found[bench.name]["en"]["all"]["chance"] == 0.5
    asked = measured.rows_of(output)
    assert {row["question"] for row in asked} == {"what is on the left ?", "WHAT IS ON THE LEFT ?"}
    assert json.loads(asked[1]["gold"]) == {"answer": 1, "choices": ["a house", "a blue"]}
    assert all(row["correct"] == float(row["pick"] == 1) for row in asked)


@pytest.mark.usefixtures("preference")
@pytest.mark.parametrize("form", ["labels", "json"])
def test_a_new_type_is_laid_out_for_a_chat_and_read_back(form: prompt.Format) -> None:
    writer = prompt.Writer(
        prompt.load("aokvqa", "eu"), form, language.load("en"), language.load("eu")
    )
    row = Row(0, "r", row_types.load(NAME), ["what is it ?", "a dog", "a cat"])
    assert "a dog" in writer.request(row) and "a cat" in writer.request(row)
    answer = prompt.write_expected(form, row, ["zer da ?", "txakur bat", "katu bat"], writer.labels)
    assert parse(answer, row, writer.labels, form) == ["zer da ?", "txakur bat", "katu bat"]


def test_without_its_file_there_is_no_such_type(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found preference"):
        import_corpus("table", tmp_path / "c", table(tmp_path / "given"), row_type=NAME)


def test_rows_without_a_question_make_no_benchmark() -> None:
    with pytest.raises(ValueError, match="choice, open or vqa"):
        benchmark("caption")


BY_VALUE = (ast.Eq, ast.NotEq, ast.In, ast.NotIn)


def decisions_by_name(code: str) -> list[str]:
    """Places where code decides by the name of a row type: it is compared, or something looked up.

    Whether two have the same type may be asked.
    """
    found = []
    for node in ast.walk(ast.parse(code)):
        sides: list[ast.expr] = []
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], BY_VALUE):
            sides = [node.left, *node.comparators]
        elif isinstance(node, ast.Match):
            sides = [node.subject, ast.Constant(0)]
        elif isinstance(node, ast.Subscript):
            sides = [node.slice, ast.Constant(0)]
        about = ["row_type" in ast.unparse(side) for side in sides]
        if any(about) and not all(about):
            found.append(ast.unparse(node))
    return found


@pytest.mark.slow
def test_no_room_decides_by_the_name_of_a_type() -> None:
    """But the types themselves, and a data set that has rows of either of two."""
    own = {*(SOURCE / "data" / "rows").glob("*.py"), SOURCE / "data" / "sources" / "aokvqa.py"}
    others = [path for path in SOURCE.rglob("*.py") if path not in own]
    assert len(others) > 200
    found = {path.name: decisions_by_name(path.read_text("utf-8")) for path in others}
    assert not {name: made for name, made in found.items() if made}


@pytest.mark.parametrize(
    "code",
    [
        "if corpus.row_type == 'caption': pass",
        "if 'vqa' != row_type: pass",
        "if row.row_type in LISTED: pass",
        "if corpus.row_type.name in ('vqa', 'choice'): pass",
        "found = COLUMNS[row_type]",
        "match self.row_type:\n    case 'open': pass",
    ],
)
def test_no_such_decision_is_overlooked(code: str) -> None:
    assert decisions_by_name(code)


def test_a_type_names_the_requests_that_its_rows_answer() -> None:
    class Titles(type(row_types.load("caption"))):  # type: ignore[misc]
        prompts = "title"

    pack = language.load("eu")
    more = pack.model_copy(update={"prompts": {**pack.prompts, "title": ["Izenburua?"]}})
    assert Titles().requests(more) == ["Izenburua?"]
    assert row_types.load("caption").requests(more) == pack.prompts["caption"] != []
    assert row_types.load("vqa").requests(more) == []
