"""A run as a release: others open it, its card's code runs, its card's numbers are the results."""

import json
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import EvalResult, ModelCard, parse_eval_result_entries

from answer import stand_in
from ikusi import artifact
from ikusi.answer.chat import Conversation, open_image
from ikusi.answer.engines.here import open_local
from ikusi.errors import InputError
from ikusi.model import fusion
from ikusi.publish import guard, snippets
from ikusi.publish.licences import load
from ikusi.publish.model import publish_model
from ikusi.publish.release import name_thing
from publish.studied import ENCODER, LLM, RUN, TRANSLATOR, make_study
from publish.test_gguf import LLAMA_CPP, llama_server, picture

pytestmark = pytest.mark.slow

NAME = "Llama-3.1-basque-llava"
QUESTION = "Deskribatu irudia."
TOKENS = 24
PORT = "http://localhost:8080"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_study(tmp_path_factory.mktemp("made"))


@pytest.fixture(scope="module")
def release(run: Path) -> Path:
    folder = run.parents[2] / "releases" / NAME
    (run.parents[2] / "bases" / LLM / "LICENSE").write_text("the agreement")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(snippets, "LONGEST", TOKENS)  # an answer of all 128 takes seconds
        done = publish_model(run, folder, forms=["llm", "gguf"], llama_cpp=LLAMA_CPP)
    assert [line.partition(":")[0] for line in done.to_do] == ["USE_POLICY"]
    return folder


@pytest.fixture(scope="module")
def beside(release: Path) -> Path:
    """The folder in which the card's code runs, with a picture and the release under its name."""
    picture().save(release.parent / "picture.jpg", "PNG")  # no detail of it is lost
    return release.parent


def blocks(release: Path, language: str) -> list[str]:
    card = (release / "README.md").read_text()
    return re.findall(rf"```{language}\n(.*?)```", card, flags=re.DOTALL)


def execute(release: Path, uses: str, address: str = PORT) -> str:
    """Output of the one block of Python in the card that uses this."""
    (code,) = (block for block in blocks(release, "python") if uses in block)
    assert address == PORT or PORT in code
    code = code.replace(PORT, address)
    with redirect_stdout(StringIO()) as printed:
        exec(compile(code, "README.md", "exec"), {})
    return printed.getvalue().strip()


@pytest.fixture(scope="module")
def answer(run: Path, beside: Path) -> str:
    """Ikusi's own answer."""
    engine = open_local(run / "checkpoint")
    shown = open_image(beside / "picture.jpg")
    said = Conversation(engine, shown).ask(QUESTION, TOKENS)
    assert said and said != Conversation(engine).ask(QUESTION, TOKENS)
    return said


def test_the_cards_code_for_transformers_answers_as_the_run_does(
    release: Path, beside: Path, answer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(beside)
    assert execute(release, "AutoModelForImageTextToText") == answer


def test_the_cards_code_for_vllm_gives_it_what_the_run_reads(
    release: Path, beside: Path, answer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(beside)
    monkeypatch.setitem(sys.modules, "vllm", stand_in)
    assert execute(release, "from vllm") == answer


def test_the_cards_llm_answers_without_pictures(
    release: Path, beside: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(beside)
    said = Conversation(open_local(run / "checkpoint")).ask(QUESTION, TOKENS)
    assert execute(release, "AutoModelForCausalLM") == said


def test_a_recipe_may_start_from_the_llm_of_a_release(release: Path, run: Path) -> None:
    model, _ = fusion.assemble(run.parents[2] / "bases" / ENCODER, release / "llm", aspect="pad")
    own, _ = fusion.load(run / "checkpoint")
    layer = "model.language_model.layers.0.mlp.up_proj.weight"
    assert model.state_dict()[layer].equal(own.state_dict()[layer])


@contextmanager
def served(release: Path) -> Iterator[str]:
    """llama.cpp's server with the files that the card's command names; its address."""
    (command,) = (block for block in blocks(release, "sh") if "llama-server" in block)
    words = shlex.split(command)
    named = {words[place]: words[place + 1] for place in (1, 3)}
    assert words[0] == "llama-server" and words[5:] == ["--jinja"]
    assert named == {"-m": "gguf/llm.gguf", "--mmproj": "gguf/mmproj.gguf"}
    with llama_server(release / "gguf") as url:
        yield url


def test_the_cards_code_for_llama_cpp_gets_an_answer_about_the_picture(
    release: Path, beside: Path, answer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(beside)
    with served(release) as url:
        said = execute(release, "OpenAI", url)
    assert said[:8] == answer[:8]


def test_the_card_names_the_command_for_a_browser(release: Path) -> None:
    assert any(re.fullmatch(r"ikusi chat \S+ --web\n", block) for block in blocks(release, "sh"))


def test_the_commands_of_the_card_are_those_of_ikusi(release: Path) -> None:
    from typer.main import get_command

    from ikusi.cli import app

    commands: Any = get_command(app)
    shown = [shlex.split(block) for block in blocks(release, "sh") if block.startswith("ikusi")]
    assert shown
    for words in shown:
        options = {name for one in commands.commands[words[1]].params for name in one.opts}
        assert {word for word in words if word.startswith("--")} <= options


def results_of(run: Path) -> dict[str, Any]:
    file = run.parents[1] / "evaluate" / run.name / "results.json"
    return dict(json.loads(file.read_text()))


def test_the_hub_reads_every_score_with_n_and_interval(release: Path, run: Path) -> None:
    card = ModelCard.load(release / "README.md")
    results = results_of(run)
    read: dict[tuple[str, str], EvalResult] = {
        (one.dataset_name, one.dataset_config): one for one in card.data.eval_results
    }
    assert len(read) == sum(len(languages) for languages in results.values())
    figures = results["miniature/capqa"]["eu"]["all"]
    one = read["Miniature CapQA", "eu"]
    assert one.metric_value == round(figures["score"], 4) and one.metric_type == figures["metric"]
    assert one.dataset_args == {"n": figures["n"]}
    assert one.metric_args == {
        "low": round(figures["low"], 4),
        "high": round(figures["high"], 4),
        "level": 0.95,
    }
    assert read["Miniature VQA", "eu"].dataset_type == "lukasArana/vqa-v2-eu"


def test_the_hubs_newer_format_has_what_was_asked_of_its_own_data_sets(
    release: Path, run: Path
) -> None:
    files = {path.name: path for path in (release / ".eval_results").iterdir()}
    # What was translated after its import is no longer that data set.
    assert set(files) == {"lukasArana--vqa-v2-eu.yaml", "org--capqa-eu.yaml"}
    own = parse_eval_result_entries(yaml.safe_load(files["org--capqa-eu.yaml"].read_text()))
    assert [(one.dataset_id, one.dataset_revision) for one in own] == [
        ("org/capqa-eu", "0123abc")
    ] * 2
    file = files["lukasArana--vqa-v2-eu.yaml"]
    entries = parse_eval_result_entries(yaml.safe_load(file.read_text()))
    figures = results_of(run)["miniature/vqa"]
    assert [(one.dataset_id, one.task_id) for one in entries] == [
        ("lukasArana/vqa-v2-eu", code) for code in figures
    ]
    for one in entries:
        told = figures[one.task_id]["all"]
        assert one.value == round(told["score"], 4)
        assert one.notes is not None and f"of {told['n']} questions" in one.notes
        assert f"{told['low']:.4f} to {told['high']:.4f}" in one.notes


def test_the_card_says_what_is_known(release: Path) -> None:
    card = ModelCard.load(release / "README.md")
    header = card.data.to_dict()
    assert card.data.language == ["eu", "en"] and card.data.license == "llama3.1"
    assert header["datasets"] == ["pixparse/cc3m-wds"]
    assert header["library_name"] == "transformers"
    text = card.text
    assert f"import of `cc3m`, then translation by {TRANSLATOR}" in text
    assert "**Built with Llama**" in text and 'begins with "Llama"' in text
    assert "CapQA, asked in eu: no better than guessing" in text
    assert "VQA, asked in eu: no better" not in text
    assert card.data.eval_results and "More Information Needed" not in text


def test_nothing_of_the_machine_goes_along(release: Path, run: Path) -> None:
    guard.check_folder(release, [str(run.parents[2])])
    assert f"vision: {ENCODER}\n" in (release / "recipe.yaml").read_text()


def test_texts_of_licences_lie_with_it(release: Path) -> None:
    assert (release / "LICENSE").read_text() == "the agreement"
    assert (release / "NOTICE").read_text() == f"{load('llama3.1').notice}\n"


def test_the_run_stays_as_it_is_and_its_weights_are_not_stored_twice(
    release: Path, run: Path
) -> None:
    weights = "model.safetensors"
    assert (release / weights).samefile(run / "checkpoint" / weights)
    assert artifact.is_current(run, (artifact.read_manifest(run) or {})["fingerprint"])
    assert not (release / "config.json").samefile(run / "checkpoint" / "config.json")


def test_a_release_that_is_there_is_left_alone_until_something_changes(
    release: Path, run: Path
) -> None:
    before = (release / "README.md").stat().st_mtime_ns
    publish_model(run, release, forms=["llm", "gguf"], llama_cpp=LLAMA_CPP)
    assert (release / "README.md").stat().st_mtime_ns == before


def test_a_name_that_the_base_forbids_is_refused_before_anything_is_written(
    run: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=f"begins with 'Llama'.*the LLM {LLM}"):
        publish_model(run, tmp_path / "basque-llava")
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match="begins with 'Llama'"):
        publish_model(run, tmp_path / NAME, hub_name="org/basque-llava")
    publish_model(run, tmp_path / "basque-llava", allowed=["llama3.1"])
    card = (tmp_path / "basque-llava" / "README.md").read_text()
    assert "by decision of its publisher" in card
    assert "llama.cpp needs two files" in card


def other_base(run: Path, folder: Path) -> Path:
    """The run in a copy of its study, with an LLM of no family."""
    shutil.copytree(run.parents[2] / "bases" / LLM, folder / "tiny")
    (folder / "tiny" / "LICENSE").unlink(missing_ok=True)
    shutil.copytree(run.parents[1], folder / "study")
    recipe = folder / "study" / "recipe.yaml"
    recipe.write_text(
        recipe.read_text().replace(str(run.parents[2] / "bases" / LLM), str(folder / "tiny"))
    )
    return folder / "study" / "instruct" / RUN


def test_a_translation_by_llama_names_the_model_too(run: Path, tmp_path: Path) -> None:
    run = other_base(run, tmp_path)
    with pytest.raises(InputError, match=f"begins with 'Llama'.*the translation by {TRANSLATOR}"):
        publish_model(run, tmp_path / "basque-llava")


def test_a_run_that_was_not_measured_says_so(run: Path, tmp_path: Path) -> None:
    run = other_base(run, tmp_path)
    (run.parents[1] / "evaluate" / RUN / "results.json").unlink()
    publish_model(run, tmp_path / "Llama-out")
    card = ModelCard.load(tmp_path / "Llama-out" / "README.md")
    assert "It has no scores: trained, not measured." in card.text
    assert card.data.eval_results is None and card.data.license == "unknown"


def test_what_is_no_run_is_refused(run: Path, tmp_path: Path) -> None:
    assert name_thing(run) == "run"
    for folder in (tmp_path, run / "checkpoint", tmp_path / "none"):
        with pytest.raises(InputError, match="expected the folder of"):
            name_thing(folder)
    with pytest.raises(InputError, match="expected a finished run"):
        publish_model(run.parents[1] / "align" / "english", tmp_path / "out")
