"""Results belong to their code: a change is recorded, and a study says what other code made."""

import ast
import json
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from ikusi import artifact, cli, recipe, study
from ikusi.errors import InputError
from ikusi.recipe.folder import StudyFolder
from ikusi.study import code, graph, layout, recording, source
from ikusi.study import steps as every_kind
from ikusi.study.graph import Step
from study.test_scheduling import diary, grid

ROOT = Path(__file__).parents[2]
INSTALLED = Path(code.__file__).parents[1]


@pytest.fixture(autouse=True, scope="module")
def _read_each_module_once() -> Iterator[None]:
    """Copies of the package differ in a module each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "_read", cache(source._read))
        yield


@pytest.mark.slow
def test_a_change_of_code_is_recorded_with_the_same_numbers_or_a_raised_version() -> None:
    changes = recording.find_changes(source.Package(INSTALLED), code.read_record())
    assert not changes, recording.describe_changes(changes)


def test_the_code_of_every_step_is_recorded() -> None:
    every = {f"{every_kind.__name__}:{name}" for name in every_kind.__all__ if name.islower()}
    steps = layout.list_steps(recipe.load(ROOT / "recipes/emoji-eu.yaml"))
    assert {step.function for step in steps} < every
    missing = every - set(code.list_versions())
    assert not missing, f"run `{recording.COMMAND} same-numbers {' '.join(sorted(missing))}`"
    assert all(step.version == code.list_versions()[step.function] for step in steps)
    assert steps[0].version > 1, "the miniature's data was changed before versions were recorded"


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the package's code that a test may change."""
    left_out = shutil.ignore_patterns("*.json", "*.safetensors", "chat_template.*", "__pycache__")
    return Path(shutil.copytree(INSTALLED, tmp_path / "ikusi", ignore=left_out))


def rewrite(root: Path, text: str, into: str) -> Path:
    """Put one text in the place of another in the one file of a package that holds it."""
    files = [path for kind in ("*.py", "*.jinja") for path in root.rglob(kind)]
    (path,) = (path for path in files if text in path.read_text("utf-8"))
    path.write_text(path.read_text("utf-8").replace(text, into), "utf-8")
    return path


OTHER_NUMBERS = [
    ("return _aggregate(contained, aggregate)", "return 1.0", {"evaluate", "evaluate_backbone"}),
    ("order = random.permutation(OPTIONS)", "order = np.arange(OPTIONS)", {"data"}),
    ("\nCLIP = 1.0", "\nCLIP = 2.0", {"align", "instruct"}),
]


@pytest.mark.slow
def test_other_numbers_are_noticed(copied: Path) -> None:
    paths = [rewrite(copied, text, into) for text, into, _ in OTHER_NUMBERS]
    changes = recording.find_changes(source.Package(copied), code.read_record())
    for path, (_, _, kinds) in zip(paths, OTHER_NUMBERS, strict=True):
        module = ".".join(("ikusi", *path.relative_to(copied).with_suffix("").parts))
        for step in kinds:
            assert module in changes[f"ikusi.study.steps:{step}"]
        assert f".{path.stem}" in recording.describe_changes(changes)


@pytest.mark.slow
def test_another_chat_template_is_noticed(copied: Path) -> None:
    rewrite(copied, "message['content'] | trim +", "message['content'] +")
    changes = recording.find_changes(source.Package(copied), code.read_record())
    assert {"ikusi.study.steps:align", "ikusi.study.steps:evaluate"} <= set(changes)


@pytest.mark.slow
def test_wording_and_format_are_not_noticed(copied: Path) -> None:
    for path in copied.rglob("*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                node.exc.args = [ast.Constant("other words")]
        path.write_text(ast.unparse(tree), "utf-8")
    assert not recording.find_changes(source.Package(copied), code.read_record())


Written = Callable[..., str]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """Writes a package of the modules given, and returns the fingerprint of `small.a:run`."""

    def write(**modules: str) -> str:
        root = tmp_path / "small"
        shutil.rmtree(root, ignore_errors=True)
        for name, text in {"__init__": "", **modules}.items():
            path = root.joinpath(*name.split("__in__")).with_suffix(".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return source.fingerprint("small.a:run", source.Package(root))

    return write


A = "from small import b\n\ndef run(x: int) -> int:\n    return b.double(x) + 1\n"
B = "def double(x):\n    return 2 * x\n\ndef other(x):\n    return x\n"


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (A.replace("x: int) -> int", "x)"), B),
        (A.replace("    return", "    '''Why.'''\n    # how\n    return"), B),
        (A, B.replace("def other(x):\n    return x", "def other(x):\n    return 3")),
        ("from small.b import double as twice\n\ndef run(x):\n    return twice(x) + 1\n", B),
        ("def run(x):\n    from small import b\n    return b.double(x) + 1\n", B),
        (A.replace("    return", "    logger.info('begins')\n    return"), B),
    ],
    ids=["annotation", "comment", "unused", "import", "place of the import", "log"],
)
def test_the_way_it_is_written_does_not_matter(written: Written, a: str, b: str) -> None:
    assert written(a=a, b=b) == written(a=A, b=B)


def test_the_place_of_a_definition_does_not_matter(written: Written) -> None:
    before = written(a=A, b=B)
    moved = A.replace("from small import b", "from small.room import c as b")
    assert written(a=moved, room__in____init__="", room__in__c=B) == before
    assert written(a=A, b="from small.c import double\n", c=B) == before


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (A.replace("+ 1", "+ 2"), B),
        (A, B.replace("2 *", "3 *")),
        (A, B + "\nimport torch\ntorch.seed(1)\n"),
        (A, "@cached\n" + B),
        (A, B.replace("double(x)", "double(x, y=2)")),
    ],
    ids=["itself", "called", "on import", "decorator", "default"],
)
def test_what_a_function_reaches_matters(written: Written, a: str, b: str) -> None:
    assert written(a=a, b=b) != written(a=A, b=B)


def test_a_constant_far_away_matters(written: Written) -> None:
    far = "from small import c\n\ndef double(x):\n    return c.TWO * x\n"
    assert written(a=A, b=far, c="TWO = 2\n") != written(a=A, b=far, c="TWO = 3\n")


def test_modules_found_by_name_are_reached(written: Written) -> None:
    a = (
        "import pkgutil\nfrom small import parts\n\ndef run(x):\n"
        "    return [one for one in pkgutil.iter_modules(parts.__path__)]\n"
    )
    one = written(a=a, parts__in____init__="", parts__in__one="X = 1\n")
    assert one != written(a=a, parts__in____init__="", parts__in__one="X = 2\n")


def test_what_only_draws_or_prints_is_left_out_but_followed(written: Written) -> None:
    drawn = "import matplotlib\nfrom small import c\n\ndef double(x):\n    return c.f(x) * 2\n"
    before = written(a=A, b=drawn, c="def f(x):\n    return x\n")
    redder = drawn.replace("* 2", "* 3")
    assert written(a=A, b=redder, c="def f(x):\n    return x\n") == before
    assert written(a=A, b=drawn, c="def f(x):\n    return -x\n") != before


def test_recording_keeps_or_raises_the_version(tmp_path: Path, written: Written) -> None:
    kept, function = tmp_path / "code.json", "small.a:run"
    kept.write_text(json.dumps({"functions": {}, "modules": {}}))

    def record(same: bool) -> code.Known:
        recording.record(kept, source.Package(tmp_path / "small"), [function], same=same)
        return code.read_record(kept).functions[function]

    first = written(a=A, b=B)
    assert record(same=True) == code.Known(version=1, code=first, same_numbers=[])
    second = written(a=A, b=B.replace("2 * x", "x * 2"))
    changes = recording.find_changes(source.Package(tmp_path / "small"), code.read_record(kept))
    assert changes == {function: ["small.b"]}
    assert record(same=True) == code.Known(version=1, code=second, same_numbers=[first])
    third = written(a=A, b=B.replace("2 * x", "x * 3"))
    assert record(same=False) == code.Known(version=2, code=third, same_numbers=[])


def test_a_wrong_word_to_record_is_refused() -> None:
    with pytest.raises(InputError, match="expected same-numbers or raise-version, found sane"):
        recording.main(["sane"])


Edit = Callable[[str, str], None]


@pytest.fixture
def edit(toy: str, tmp_path: Path) -> Edit:
    """Changes the code of the toy steps."""
    path = tmp_path / "modules" / f"{toy}.py"

    def change(text: str, into: str) -> None:
        assert text in path.read_text()
        path.write_text(path.read_text().replace(text, into))

    return change


@pytest.mark.slow
def test_a_study_says_which_results_other_code_made_and_believes_them(
    toy: str, edit: Edit, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    steps, folder = grid(toy, {"a-000": 100}), tmp_path / "s"
    study.run_steps(steps, folder, 1)
    edit("    total = settings.number", "    # the sum\n    total = settings.number")
    study.run_steps(steps, folder, 1)
    assert "other code" not in capfd.readouterr().err
    edit("total = settings.number +", "total = 1000 + settings.number +")
    told = study.run_steps(steps, folder, 1).describe()
    assert told == "nothing to do: all 5 steps are current"
    assert capfd.readouterr().err == (
        "made by other code, and kept: data, align/a, align/b, instruct/a-000, evaluate/a-000 "
        "(--redo makes them anew)\n"
    )
    (folder / "diary").unlink()
    study.run_steps(steps, folder, 1, redo=[])
    assert sorted(diary(folder)) == ["a", "a-000", "a-000", "b", "data"]
    assert json.loads((folder / "data/total.json").read_text()) == 1001
    study.run_steps(steps, folder, 1, redo=[])
    assert len(diary(folder)) == 5
    assert "other code" not in capfd.readouterr().err


def test_many_steps_of_a_kind_are_counted() -> None:
    names = ["data", *(f"instruct/{number}" for number in range(16))]
    assert code.describe_changed(names) == (
        "made by other code, and kept: data, 16 of instruct/* (--redo makes them anew)"
    )


@pytest.mark.slow
def test_code_that_is_recorded_to_give_the_same_numbers_is_not_other_code(
    toy: str, edit: Edit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps, folder, function = grid(toy, {}), tmp_path / "s", f"{toy}:add"
    study.run_steps(steps, folder, 1)
    first = code.hash_functions([function])[function]
    edit("total = settings.number + sum(", "total = sum([settings.number]) + sum(")
    second = code.hash_functions([function])[function]
    assert first != second
    monkeypatch.setattr(code, "RECORD", tmp_path / "code.json")
    for now, same, other in (
        (second, [first], set()),
        (second, [], {"data", "align/a", "align/b"}),
        ("0" * 16, [first], {"data", "align/a", "align/b"}),  # the code here is not the recorded
    ):
        about = {"version": 1, "code": now, "same_numbers": same}
        code.RECORD.write_text(json.dumps({"functions": {function: about}, "modules": {}}))
        states = graph.read_states(steps, StudyFolder(folder))
        code.compare(steps, states)
        assert {name for name, state in states.items() if state.other_code} == other


@pytest.mark.slow
def test_results_without_a_record_of_their_code_are_believed(toy: str, tmp_path: Path) -> None:
    steps, folder = grid(toy, {}), tmp_path / "s"
    study.run_steps(steps, folder, 1)
    for path in folder.rglob(artifact.MANIFEST):
        held = json.loads(path.read_text())
        assert len(held.pop("code")) == 1
        path.write_text(json.dumps(held))
    states = graph.read_states(steps, StudyFolder(folder))
    code.compare(steps, states)
    assert {state.status for state in states.values()} == {"current"}
    assert not any(state.other_code for state in states.values())


@pytest.mark.slow
def test_named_steps_are_made_anew_with_all_that_need_them(toy: str, tmp_path: Path) -> None:
    steps, folder = grid(toy, {"a-000": 100, "b-020": 200}), tmp_path / "s"
    study.run_steps(steps, folder, 1)
    (folder / "diary").unlink()
    study.run_steps(steps, folder, 1, redo=["instruct/a-*"])
    assert diary(folder) == ["a-000", "a-000"]
    with pytest.raises(InputError, match="step: expected one of this study, found instruct/c"):
        study.run_steps(steps, folder, 1, redo=["instruct/c"])


@pytest.mark.slow
def test_what_was_made_from_a_step_that_is_made_anew_is_not_current_later(
    toy: str, tmp_path: Path
) -> None:
    steps, folder, name = grid(toy, {"a-000": 100}), tmp_path / "s", "instruct/a-000"
    study.run_steps(steps, folder, 1)
    study.run_steps(steps, folder, 1, only=[name], redo=[name])
    assert study.run_steps(steps, folder, 1).names("done") == ["evaluate/a-000"]


@pytest.mark.slow
def test_a_redo_that_was_stopped_is_finished_by_the_next_run(toy: str, tmp_path: Path) -> None:
    lasting = Step("instruct/a", f"{toy}:count", (), {"until": 2, "seconds": 0.0}, resumes=True)
    after = Step("evaluate/a", f"{toy}:add", ("instruct/a",), {"number": 1})
    steps, folder = [lasting, after], tmp_path / "s"
    study.run_steps(steps, folder, 1)
    unfinished = artifact.locate_staging(folder / "instruct/a")
    unfinished.mkdir()
    (unfinished / ".ikusi.json").write_text(json.dumps({"kind": "instruct"}))
    for step in steps:
        artifact.outdate(folder / step.name, step.kind)
    assert not unfinished.exists()
    assert (folder / "instruct/a/count").read_text() == "2", "it stays until it is replaced"
    outcome = study.run_steps(steps, folder, 1)
    assert outcome.names("done") == ["instruct/a", "evaluate/a"]
    assert study.run_steps(steps, folder, 1).names("done") == []


def test_a_result_of_several_attempts_has_the_code_of_all(tmp_path: Path) -> None:
    def attempt(name: str, code: str | None, *, ends: bool) -> list[str]:
        path = tmp_path / name
        with artifact.write_folder(path, fingerprint="f", keep_partial=True, code=code) as staging:
            (staging / "kept").write_text("")
            if not ends:
                raise KeyboardInterrupt
        held: list[str] = (artifact.read_manifest(path) or {})["code"]
        return held

    for name, first in (("known", "1"), ("unknown", None)):
        with pytest.raises(KeyboardInterrupt):
            attempt(name, first, ends=False)
    assert attempt("known", "2", ends=True) == ["1", "2"]
    assert attempt("unknown", "2", ends=True) == [], "nothing is known of the first attempt"


@pytest.mark.slow
def test_the_command_line_tells_status_and_makes_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(ROOT / "recipes/emoji-eu.yaml")
    steps = graph.order_steps(layout.list_steps(recipe.load(path)))
    for name, value in graph.hash_steps(steps).items():
        kind = name.split("/")[0]
        with artifact.write_folder(
            tmp_path / "emoji-eu" / name, fingerprint=value, kind=kind, code="0" * 16
        ):
            pass

    def run(*words: str) -> int:
        with pytest.raises(SystemExit) as end:
            cli.main(["study", path, "--studies", str(tmp_path), *words])
        return int(end.value.code or 0)

    assert run("--status") == 0
    assert "current  align/english  (made by other code)" in capsys.readouterr().out
    assert run() == 0
    shown = capsys.readouterr()
    assert "kept: data, features/" in shown.err and "16 of instruct/*" in shown.err
    assert "nothing to do" in shown.out
    assert run("--redo", "evaluate/nothing") == 3
    assert "step: expected one of this study, found evaluate/nothing" in capsys.readouterr().err
    asked: list[object] = []
    monkeypatch.setattr(study, "run", lambda *given, **_: asked.append(given[-1]))
    for words in ([], ["--redo"], ["--redo", "evaluate/*", "report"], ["--redo", "seed=1"]):
        run(*words)
    assert asked == [None, [], ["evaluate/*", "report"], []]
