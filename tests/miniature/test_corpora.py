"""The corpora of a study, and the base models it starts from."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ikusi import language, packaged
from ikusi.data.corpus import Corpus
from ikusi.data.mixture import Mixture, MixturePart
from ikusi.errors import InputError
from ikusi.evaluate import overlap
from ikusi.miniature import corpora
from ikusi.miniature.bases import build, encoder, shipped, teacher, text
from ikusi.miniature.bases.contrastive import Contrastive, EncoderSettings, standardise
from ikusi.miniature.benchmarks import VQA_TASKS
from ikusi.miniature.pictures.augment import Thumbnails
from ikusi.miniature.pictures.drawings import Drawings, load_drawings
from ikusi.miniature.pictures.scenes import GROUNDS
from ikusi.miniature.pictures.splits import UNSEEN, Splits, make_generator, split
from ikusi.miniature.words import knowledge
from ikusi.miniature.words.cldr import load_locale
from ikusi.miniature.words.concepts import Concept
from ikusi.miniature.words.questions import Asker, Drawn, fits
from ikusi.miniature.words.speaker import Speaker
from ikusi.model.chat import encode_prompt
from ikusi.model.fusion import load_language_model
from ikusi.recipe import Stage
from ikusi.train.stages import train_stage
from miniature.conftest import SETTINGS

TINY = EncoderSettings(
    image_size=48,
    width=32,
    layers=1,
    heads=2,
    steps=160,
    batch_size=8,
    learning_rate=5e-3,
    warmup=10,
    save_every=40,
)

TINY_TEACHER = teacher.TeacherSettings(
    side=16, widths=(4, 8, 8), steps=20, batch_size=16, warmup=4, save_every=20
)


def opened(folder: Path, name: str) -> Corpus:
    return Corpus.open(folder / name)


@pytest.mark.slow
def test_every_corpus_has_the_rows_that_were_asked_for(built: Path) -> None:
    assert len(opened(built, "captions")) == SETTINGS.caption_scenes
    assert len(opened(built, "instructions")) == SETTINGS.train_scenes
    assert len(opened(built, "text")) == SETTINGS.text_rows
    for name in ("vqa", "aokvqa", "capqa", "wildvision"):
        corpus = opened(built, f"benchmarks/{name}")
        groups = [corpus.row("eu", i)["group"] for i in range(len(corpus))]
        assert {kind: groups.count(kind) for kind in UNSEEN} == dict.fromkeys(UNSEEN, 18)
    assert "CC-BY-SA-4.0" in (built / "ATTRIBUTION.md").read_text()


@pytest.mark.slow
def test_tasks_take_turns_among_scenes_of_as_many_things(built: Path) -> None:
    corpus = opened(built, "benchmarks/vqa")
    tasks: dict[tuple[str, int], list[str]] = {}
    for index in range(len(corpus)):
        row = corpus.row("eu", index)
        tasks.setdefault((row["group"], index % 3), []).append(row["task"])
    assert len(tasks) == len(UNSEEN) * 3
    for (_, others), own in tasks.items():
        fitting = [task for task in VQA_TASKS if fits(task, 1 + others)]
        assert len(set(own)) == min(len(own), len(fitting))


def test_both_languages_say_the_same(built: Path) -> None:
    corpus = opened(built, "benchmarks/aokvqa")
    for index in range(len(corpus)):
        basque, english = corpus.row("eu", index), corpus.row("en", index)
        assert basque["answer"] == english["answer"] and basque["task"] == english["task"]
        assert len(set(basque["choices"])) == len(set(english["choices"])) == 4
    row = opened(built, "instructions").row("eu", 0)["turns"]
    other = opened(built, "instructions").row("en", 0)["turns"]
    assert [turn["role"] for turn in row] == [turn["role"] for turn in other]


def test_a_conversation_ends_by_naming_all_that_is_drawn(drawn: Drawings, divided: Splits) -> None:
    speaker = Speaker(language.load("en"))
    maker = corpora.Maker(SETTINGS, {"en": speaker}, drawn, divided)
    random = make_generator(1)
    for _ in range(30):
        scene = maker.draw(None, random)
        *asked, last = corpora.write_conversation(Asker(divided.concepts), scene, random)
        tasks = [exchange.task for exchange in asked]
        checked = set(tasks) == {"present"} and len(tasks) <= corpora.CHECKS
        assert checked or len(tasks) == len(set(tasks)) == corpora.QUESTIONS
        assert last.task == "describe" not in tasks
        assert all(speaker.name(concept) in last.answer(speaker) for concept in scene.concepts)


def test_yes_and_no_are_balanced(built: Path) -> None:
    corpus = opened(built, "benchmarks/capqa")
    answers = [corpus.row("en", index)["answer"] for index in range(len(corpus))]
    assert answers.count(0) == answers.count(1)


def test_test_pictures_show_only_what_was_not_trained_on(
    built: Path, drawn: Drawings, divided: Splits
) -> None:
    speakers = {"en": Speaker(language.load("en"))}
    maker = corpora.Maker(SETTINGS, speakers, drawn, divided)
    random = make_generator(1)
    for unseen in UNSEEN:
        for _ in range(60):
            scene = maker.draw(unseen, random)
            for concept in scene.concepts:
                assert scene.style not in divided.trained.get(concept.id, ())
                assert scene.style in divided.styles(concept, unseen)
    for _ in range(60):
        scene = maker.draw(None, random)
        assert all(scene.style in divided.trained[concept.id] for concept in scene.concepts)


def test_no_picture_of_a_benchmark_is_trained_on(built: Path) -> None:
    trained = [opened(built, name) for name in ("captions", "instructions", "text")]
    asked = [Corpus.open(path.parent) for path in built.glob("benchmarks/*/corpus.json")]
    found = [overlap.find(corpus, trained) for corpus in asked]
    assert sum(one.pictures for one in found) >= 4 * 3 * SETTINGS.test_scenes
    assert not any(one.seen for one in found)
    assert overlap.find(trained[1], trained).seen, "what is trained on is found"


def test_held_out_countries_are_asked_about_only_in_the_benchmark(built: Path) -> None:
    names = load_locale("en").territories
    kept = {names[c.code] for c in knowledge.load_countries() if knowledge.is_held_out(c)}
    known = {names[c.code] for c in knowledge.load_countries() if not knowledge.is_held_out(c)}
    text, asked = opened(built, "text"), opened(built, "benchmarks/bertaqa")
    for index in range(len(text)):
        turns = text.row("en", index)["turns"]
        for question in (turn["content"] for turn in turns if turn["role"] == "user"):
            assert not any(f": {name}?" in question for name in kept - known)
            assert not any(question.startswith(f"Country: {name}.") for name in kept - known)
    codes = {id.partition("-")[0] for id in asked.ids}
    assert codes and all(
        knowledge.is_held_out(c) for c in knowledge.load_countries() if c.code in codes
    )


@pytest.mark.slow
def test_the_same_settings_make_the_same_bytes_and_tell_how_far_they_are(
    built: Path, tmp_path: Path
) -> None:
    packs = {code: language.load(code) for code in ("eu", "en")}
    told: list[float] = []
    corpora.build(SETTINGS, "eu", "en", packs, tmp_path, lambda done, of, _: told.append(done / of))
    assert told == sorted(told) and told[-1] == 1 and len(set(told)) > 50
    for path in sorted(built.rglob("*.parquet")):
        assert path.read_bytes() == (tmp_path / path.relative_to(built)).read_bytes(), path.name


def test_a_pack_that_lacks_a_sentence_is_told(tmp_path: Path) -> None:
    pack = language.load("eu")
    lacking = pack.model_copy(update={"prompts": {**pack.prompts, "what": []}})
    with pytest.raises(InputError, match=r"eu\.yaml: prompts\.what: expected 3 wordings, found 0"):
        corpora.build(SETTINGS, "eu", "en", {"eu": lacking, "en": language.load("en")}, tmp_path)


def few(drawn: Drawings) -> Splits:
    return replace(split(drawn, 8), others=())


@pytest.fixture(autouse=True)
def few_to_vary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder, "BLOCK_DRAWINGS", 48)


@pytest.fixture(scope="module")
def lessons(drawn: Drawings) -> Thumbnails:
    return Thumbnails(drawn, Drawings({}), few(drawn))


@pytest.fixture(scope="module")
def taught(lessons: Thumbnails, tmp_path_factory: pytest.TempPathFactory) -> teacher.Teacher:
    return teacher.train(lessons, TINY_TEACHER, tmp_path_factory.mktemp("teacher"))


def trained(
    pictures: encoder.Pictures,
    drawn: Drawings,
    output: Path,
    progress: encoder.Progress | None = None,
) -> Contrastive:
    return encoder.train(pictures, encoder.list_names(few(drawn)), output, progress)


@pytest.mark.slow
def test_a_short_rebuild_of_the_encoder_learns(
    tmp_path: Path, lessons: Thumbnails, drawn: Drawings
) -> None:
    pictures = encoder.Pictures(lessons, 8, replace(TINY, steps=80))
    model = trained(pictures, drawn, tmp_path).eval()
    found = encoder.measure_retrieval(
        model, drawn, few(drawn), TINY, None, repeats=9
    )  # 378 drawings
    assert found > 0.2  # chance is 0.125, and its standard deviation 0.017


@pytest.mark.slow
def test_a_taught_encoder_goes_on_from_the_one_that_learnt_alone(
    tmp_path: Path, lessons: Thumbnails, taught: teacher.Teacher, drawn: Drawings
) -> None:
    short = replace(TINY, steps=2, batch_size=4)
    names = encoder.list_names(few(drawn))
    alone = encoder.train(encoder.Pictures(lessons, 8, short), names, tmp_path / "alone")
    before = {name: value.clone() for name, value in alone.state_dict().items()}
    pictures = encoder.Pictures(lessons, 8, replace(short, learning_rate=1e-6), taught)
    after = encoder.train(pictures, names, tmp_path / "taught", start_from=alone).state_dict()
    assert all(torch.allclose(before[name], after[name], atol=1e-3) for name in before)
    assert any(not torch.equal(before[name], after[name]) for name in before)


@pytest.mark.slow
def test_the_teacher_says_which_names_a_drawing_has(
    lessons: Thumbnails, taught: teacher.Teacher
) -> None:
    for guide in (None, taught):
        targets = encoder.Pictures(lessons, 8, TINY, guide)[0]["targets"]
        drawings, names = encoder.BLOCK_DRAWINGS, 8
        assert targets.shape == (drawings + len(GROUNDS), names + len(GROUNDS))
        assert torch.allclose(targets.sum(1), torch.ones(len(targets)), atol=1e-5)
        assert bool((targets[:drawings].max(1).values == 1).all()) is (guide is None)


class StoppedError(Exception):
    pass


def stop(step: int, total: int, words: str) -> None:
    if step >= 20:
        raise StoppedError


@pytest.mark.slow
def test_an_interrupted_encoder_goes_on_to_the_same_weights(
    tmp_path: Path, lessons: Thumbnails, taught: teacher.Teacher, drawn: Drawings
) -> None:
    short = replace(TINY, steps=21, batch_size=4, save_every=18)
    pictures = encoder.Pictures(lessons, 8, short, taught)
    whole = trained(pictures, drawn, tmp_path / "whole")
    with pytest.raises(StoppedError):
        trained(pictures, drawn, tmp_path / "again", stop)
    again = trained(pictures, drawn, tmp_path / "again")
    for ours, theirs in zip(whole.parameters(), again.parameters(), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.slow
def test_an_interrupted_teacher_goes_on_to_the_same_weights(
    tmp_path: Path, lessons: Thumbnails
) -> None:
    short = replace(TINY_TEACHER, steps=21, save_every=18)
    whole = teacher.train(lessons, short, tmp_path / "whole")
    with pytest.raises(StoppedError):
        teacher.train(lessons, short, tmp_path / "again", stop)
    again = teacher.train(lessons, short, tmp_path / "again")
    for ours, theirs in zip(whole.parameters(), again.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_standardised_features_have_no_common_part_and_keep_their_differences(
    lessons: Thumbnails,
) -> None:
    torch.manual_seed(0)
    model = Contrastive(["cow", "red"], TINY).vision.float().eval()
    pixels = encoder.Pictures(lessons, 8, TINY)[0]["pixels"]
    shown = pixels.float() / 127.5 - 1
    with torch.no_grad():
        before = model(shown).last_hidden_state[:, 1:].flatten(0, 1)
        standardise(model, pixels)
        after = model(shown).last_hidden_state[:, 1:].flatten(0, 1)
    assert after.mean(0).abs().max() < 1e-3 and after.std().item() == pytest.approx(1, abs=1e-2)
    centred = before - before.mean(0)
    assert torch.allclose(after, centred / centred.std(), atol=2e-2)


@pytest.mark.slow
def test_a_scene_told_in_emoji_has_one_token_a_cell() -> None:
    tokenizer = build.train_tokenizer(text.write_sentences(40))
    told, _, _ = _map()
    assert len(tokenizer(told)["input_ids"]) == len(told) == text.GRID**2
    assert tokenizer.decode(tokenizer(told)["input_ids"]) == told


def _map() -> tuple[str, Drawn, list[Concept]]:
    concepts = split(load_drawings(), text.CONCEPTS).concepts
    drawn = Drawn((concepts[0], concepts[90]), "emoji", "green")
    told = text.draw_emoji_map(Asker(concepts), drawn, make_generator(0))
    return told, drawn, list(concepts)


def test_most_cells_of_a_map_are_read_right_and_the_others_as_look_alikes() -> None:
    told, drawn, concepts = _map()
    kinds = {concept.emoji: concept.kind for concept in concepts}
    things = [cell for cell in told if cell in kinds]
    right = [cell for cell in things if cell in {concept.emoji for concept in drawn.concepts}]
    assert len(things) / 2 < len(right) < len(things) < len(told)
    assert {kinds[cell] for cell in things} == {concept.kind for concept in drawn.concepts}


def test_of_a_map_that_is_hard_to_read_a_thing_may_be_told_by_few_cells() -> None:
    concepts = list(split(load_drawings(), text.CONCEPTS).concepts)
    drawn, asker = Drawn((concepts[0],), "emoji", "green"), Asker(concepts)

    def count_right(blur: text.Blur) -> float:
        maps = [text.draw_emoji_map(asker, drawn, make_generator(i), blur) for i in range(20)]
        shares = [told.count(concepts[0].emoji) / (64 - told.count("💚")) for told in maps]
        return min(shares)

    assert count_right(text.HARD) < 0.2 < count_right(text.USUAL)


def test_the_tokenizer_writes_any_language() -> None:
    tokenizer = build.train_tokenizer(text.write_sentences(40))
    for words in ("Zer dago ezkerrean?", "tŷ gwyrdd", "Bẹ́ẹ̀ni", "ဘာလဲ"):
        assert tokenizer.decode(tokenizer(words)["input_ids"]) == words


@pytest.mark.slow
def test_a_short_rebuild_of_a_backbone_learns(tmp_path: Path) -> None:
    speakers = [Speaker(language.load("en"))]
    text.write(speakers, tmp_path / "text", text.mix_rows(speakers, 60, make_generator(0)))
    tokenizer = build.train_tokenizer(text.write_sentences(40))
    mixture = Mixture([MixturePart(Corpus.open(tmp_path / "text"), 0.0)], "en", "en", 0)
    stage = Stage(
        corpus="text",
        trainable=["llm"],
        learning_rate=4e-3,
        batch_size=2,
        epochs=1,
        precision="fp32",
    )
    losses = []
    train_stage(
        build.make_llama(tokenizer),
        tokenizer,
        mixture,
        stage,
        output=tmp_path,
        seed=0,
        progress=lambda now: losses.append(now.loss),
    )
    assert sum(losses[-5:]) / 5 < 0.75 * losses[0]


@pytest.mark.parametrize("name", ["llama-en", "llama-eu"])
def test_the_backbones_that_ship_know_what_they_were_told(name: str) -> None:
    model, tokenizer = load_language_model(shipped.find_model(name), torch.float32)
    assert sum(p.numel() for p in model.parameters()) < 2_500_000
    code = name.partition("-")[2]
    speaker = Speaker(language.load(code))
    right = 0
    countries = knowledge.select_speakable("en", "eu")[:12]
    for country in countries:
        asked = knowledge.ask_fact(country, "continent", 0)
        talk = [{"role": "user", "content": asked.question(speaker)}]
        prompt = torch.tensor([encode_prompt(tokenizer, talk)])
        said = model.generate(
            prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=8, do_sample=False
        )
        text = tokenizer.decode(said[0, prompt.shape[1] :], skip_special_tokens=True)
        right += text.strip() == asked.answer(speaker)
    assert right > len(countries) / 2  # chance is one in five


def test_all_that_is_said_to_ship_ships() -> None:
    assert {path.name for path in packaged.BASES.iterdir() if path.is_dir()} == set(
        shipped.list_models()
    )


def test_all_that_ships_is_small() -> None:
    size = sum(path.stat().st_size for path in packaged.BASES.rglob("*") if path.is_file())
    assert size < 10_000_000


def test_what_is_no_base_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="encodr: expected encoder, llama-<language>"):
        build.build("encodr", tmp_path)
    for name in ("llama-en-0pct", "llama-eu-101pct", "llama-en-10pct", "llama-", "llama"):
        with pytest.raises(InputError, match=f"{name}: expected encoder"):
            build.build(name, tmp_path)
    with pytest.raises(InputError, match=r"found none \(make it: .* --language xx\)"):
        shipped.find_model("miniature/llama-xx")
    with pytest.raises(InputError, match=r"found none \(make it: .* --language xx --share 0.025\)"):
        shipped.find_model("miniature/llama-xx-2.5pct")
