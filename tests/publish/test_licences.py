"""The terms of licences for a release: refused by name where they forbid it, never guessed."""

from pathlib import Path

import pytest

from ikusi.data import sources
from ikusi.errors import InputError
from ikusi.publish import card, licences, texts
from ikusi.publish.licences import Role, Use, bind, find, find_of_model, load

EVERY = licences.FILES.names()
UNSAID = {"as the set it was translated from", "its own"}
OTHER = "other (the licences of CC3M, LAION, SBU; captions by BLIP)"


def use(role: Role, id: str, what: str = "it") -> Use:
    return Use(what, role, load(id))


@pytest.mark.parametrize("id", EVERY)
def test_every_licence_is_found_by_all_that_it_is_called(id: str) -> None:
    one = load(id)
    assert one.id == id and one.asks
    for stated in (id, one.name, *one.stated, f"{one.name} (more of it)", f"{one.name}, and so on"):
        assert find(stated).id == id


def test_no_two_licences_share_a_name() -> None:
    named = [way for id in EVERY for way in {load(id).name, *load(id).stated, id}]
    assert len(named) == len(set(named))


def test_what_no_file_states_is_unknown_and_keeps_its_words() -> None:
    found = find("MIT-like, but for friends only")
    assert not found.is_known and found.license == "unknown"
    assert "MIT-like, but for friends only" in found.name
    assert find(None).license == "unknown" and find("(mit)").license == "unknown"


def test_every_data_set_states_a_licence_that_is_known_or_says_why_not() -> None:
    unknown = {s.licence for s in sources.list_sources() if not find(s.licence).is_known}
    assert unknown == {*UNSAID, OTHER}
    stated = {s.pictures for s in sources.list_sources() if s.pictures}
    assert {s for s in stated if not find(s).is_known} == {"none is stated"}
    remote = [source for source in sources.list_sources() if source.remote and source.home]
    assert remote and all(find(source.pictures).pictures is False for source in remote)


@pytest.mark.parametrize(
    ("name", "id"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", "llama3.1"),
        ("HiTZ/Latxa-Llama-3.1-8B-Instruct@exp_2_101", "llama3.1"),
        ("meta-llama/Meta-Llama-3-8B", "llama3"),
        ("meta-llama/Llama-2-7b-hf", "llama2"),
        ("google/gemma-2-2b-it", "gemma"),
        ("gemma/other-llm", ""),
        ("org/llama-en", ""),
        ("org/Llama-3.10-8B", ""),
        ("org/Llama-3.1-with-gemma", ""),
    ],
)
def test_a_model_without_a_card_is_known_by_the_family_in_its_own_name(name: str, id: str) -> None:
    assert find_of_model(name).id == id


def test_the_card_beside_a_model_counts_more_than_its_name(tmp_path: Path) -> None:
    base = tmp_path / "Llama-3.1-8B"
    base.mkdir()
    assert find_of_model(base).id == "llama3.1"
    (base / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    assert find_of_model(base).id == "apache-2.0"
    (base / "README.md").write_text("---\nlicense: other\nlicense_name: ours\n---\n")
    assert "ours" in find_of_model(base).name and not find_of_model(base).is_known


@pytest.mark.parametrize("role", ["base", "translator", "data"])
def test_what_llama_made_or_wrote_names_the_model(role: Role) -> None:
    made = [use("base", "apache-2.0"), use(role, "llama3.1", "the part")]
    terms = bind(made, "model", "basque-llava")
    with pytest.raises(InputError, match=r"begins with 'Llama'.*the part.*--allow llama3\.1"):
        terms.check()
    for name in ("basque-Llama", "llama-basque"):
        with pytest.raises(InputError, match=name):
            bind(made, "model", name).check()
    assert len(terms.check(["llama3.1"])) == 1
    assert bind(made, "model", "Llama-basque-llava").check() == []
    assert bind(made, "data", "basque-captions").check() == []
    asked = [sentence for one in terms.uses for sentence in one.asks]
    assert any('begins with "Llama"' in sentence for sentence in asked)


def test_outputs_that_stay_in_a_family_train_no_other() -> None:
    captions = use("translator", "llama3")
    with pytest.raises(InputError, match="same family"):
        bind([use("base", "llama3.1"), captions], "model", "Llama-3-x").check()
    assert bind([use("base", "llama3"), captions], "model", "Llama-3-x").check() == []
    with pytest.raises(InputError, match="'Llama 3'"):
        bind([use("base", "llama3")], "model", "Llama-x").check()


def test_pictures_that_may_not_be_passed_on_are_refused_and_their_addresses_are_not() -> None:
    made = [use("data", "cc-by-4.0"), use("pictures", "coco-pictures", "the pictures of vqav2")]
    assert bind(made, "data", "x").pictures is False
    assert bind(made, "data", "x").check() == []
    with pytest.raises(InputError, match="the pictures of vqav2"):
        bind(made, "data", "x", passes_pictures=True).check()
    assert bind([Use("p", "pictures", find("?"))], "data", "x").pictures is None


def test_a_translation_of_what_may_not_be_changed_is_refused() -> None:
    made = [use("data", "cc-by-nd-4.0"), use("translator", "apache-2.0")]
    with pytest.raises(InputError, match="translation"):
        bind(made, "data", "x").check()
    assert bind(made[:1], "data", "x").check() == []


def test_allowing_names_a_licence_that_there_is() -> None:
    with pytest.raises(InputError, match=r"llama3\.1"):
        bind([use("base", "mit")], "model", "x").check(["llama31"])


def test_a_header_has_what_the_hub_reads() -> None:
    made = [use("base", "llama3.1"), use("base", "mit"), use("data", "odc-by")]
    assert bind(made, "model", "x").header == {"license": "llama3.1"}
    assert bind([use("data", "odc-by"), use("translator", "llama3.1")], "data", "x").header == {
        "license": ["odc-by", "llama3.1"]
    }
    header = bind([use("data", "conceptual-captions")], "data", "x").header
    assert header["license"] == "other" and header["license_name"] == "conceptual-captions"
    assert bind([], "data", "x").header == {"license": "unknown"}


def test_texts_that_lie_with_a_base_go_along(tmp_path: Path) -> None:
    for name in ("llm", "encoder", "out"):
        (tmp_path / name).mkdir()
    (tmp_path / "llm" / "LICENSE.txt").write_text("of the LLM")
    (tmp_path / "llm" / "NOTICE").write_text("its own notice\n")
    (tmp_path / "encoder" / "LICENSE.txt").write_text("of the encoder")
    terms = bind([Use("llm", "base", load("llama3.1"))], "model", "Llama-x")
    texts.copy_texts([tmp_path / "llm", tmp_path / "encoder"], tmp_path / "out", terms.notices)
    out = {path.name: path.read_text() for path in (tmp_path / "out").iterdir()}
    assert out.pop("NOTICE") == f"{load('llama3.1').notice}\n\nits own notice\n"
    assert out == {"LICENSE.txt": "of the LLM", "LICENSE-encoder.txt": "of the encoder"}
    assert texts.has_text(tmp_path / "out", "LICENSE")
    assert not texts.has_text(tmp_path / "out", "USE_POLICY")


def write(folder: Path, summary: str = "It sees.") -> str:
    terms = bind([Use("the LLM", "base", load("llama3.1"), "Llama 3.1 (ours)")], "model", "Llama-x")
    sections = {"Limits": "None is known.", card.LICENCES: card.describe_terms(terms), "Empty": " "}
    header = terms.header | {"language": ["eu", "no"]}
    card.write_card(folder, header, "Llama-x", summary, sections, terms.shows)
    return (folder / card.CARD).read_text()


def test_a_card_is_read_back_by_the_hub_as_it_was_written(tmp_path: Path) -> None:
    from huggingface_hub import ModelCard

    text = write(tmp_path)
    read = ModelCard.load(tmp_path / card.CARD)
    assert read.data.license == "llama3.1" and read.data.language == ["eu", "no"]
    assert "**Built with Llama**" in text and "## Empty" not in text
    assert "stated as “Llama 3.1 (ours)”" in text and load("llama3.1").link in text  # type: ignore[operator]


@pytest.mark.parametrize(
    "said",
    [
        "made in /home/somebody/studies/x",
        r"made in C:\studies",
        "with hf_" + "a" * 34,
        "https://me:sesame@host/x",
        "[More Information Needed]",
    ],
)
def test_a_card_with_something_private_is_refused_without_repeating_it(
    tmp_path: Path, said: str
) -> None:
    with pytest.raises(InputError, match=r"README\.md:\d+: expected nothing private") as error:
        write(tmp_path, summary=said)
    assert said.split()[-1] not in str(error.value)
    assert not (tmp_path / card.CARD).exists()


@pytest.mark.parametrize(
    "said", ["https://a.b/home/x/y", "a/home/x", "/v1/chat", "hf_hub_download", "C: yes", "and/or"]
)
def test_what_only_looks_private_is_let_pass(tmp_path: Path, said: str) -> None:
    assert said in write(tmp_path, summary=said)
