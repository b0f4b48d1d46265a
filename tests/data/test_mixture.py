import pickle
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_rows import instruction
from ikusi.data import rows as row_types
from ikusi.data.corpus import Corpus, CorpusWriter
from ikusi.data.mixture import Mixture, MixturePart, choose_target_rows, to_messages
from ikusi.errors import InputError

Make = Callable[..., Corpus]
IDS = st.lists(st.text(max_size=8), unique=True, max_size=60)
SHARES = st.floats(0, 1)


@pytest.mark.slow
@given(IDS, SHARES, st.integers(0, 9))
def test_the_count_is_exact(ids: list[str], ratio: float, seed: int) -> None:
    assert choose_target_rows(ids, ratio, seed).sum() == round(ratio * len(ids))


@given(IDS, SHARES, SHARES, st.integers(0, 9))
def test_a_smaller_share_is_part_of_a_larger_one(
    ids: list[str], one: float, other: float, seed: int
) -> None:
    few, many = (choose_target_rows(ids, ratio, seed) for ratio in sorted((one, other)))
    assert not (few & ~many).any()


@given(st.data())
def test_who_speaks_does_not_depend_on_the_order_of_rows(data: st.DataObject) -> None:
    ids = data.draw(IDS)
    ratio, shuffled = data.draw(SHARES), data.draw(st.permutations(ids))
    ours = {id for id, speaks in zip(ids, choose_target_rows(ids, ratio, 3), strict=True) if speaks}
    theirs = choose_target_rows(shuffled, ratio, 3)
    assert ours == {id for id, speaks in zip(shuffled, theirs, strict=True) if speaks}


def test_seeds_choose_differently() -> None:
    ids = [str(i) for i in range(100)]
    assert (choose_target_rows(ids, 0.5, 0) != choose_target_rows(ids, 0.5, 1)).any()


def test_a_ratio_that_is_no_share_is_refused() -> None:
    with pytest.raises(InputError, match=r"ratio: expected a share between 0 and 1, found 1.2"):
        choose_target_rows(["a"], 1.2, 0)


def test_every_ratio_holds_the_same_rows_with_their_language_swapped(instructions: Make) -> None:
    corpus = instructions(20)
    seen = {}
    for ratio in (0, 0.2, 0.8, 1):
        mixture = Mixture([MixturePart(corpus, ratio)], "eu", "en", seed=5)
        samples = [mixture[i] for i in range(len(mixture))]
        assert [sample.id for sample in samples] == corpus.ids
        shuffled = [int(index) for index in mixture.order(1)]
        taken = [(sample.id, sample.messages) for sample in mixture.take(shuffled)]
        assert taken == [(samples[index].id, samples[index].messages) for index in shuffled]
        assert mixture.counts() == {"instructions": {"eu": 20 * ratio, "en": 20 - 20 * ratio}}
        assert (mixture.order(0) == Mixture(mixture.parts, "eu", "en", 5).order(0)).all()
        seen[ratio] = {sample.id for sample in samples if sample.language == "eu"}
        for sample in samples:
            word = {"eu": "zer", "en": "what"}[sample.language]
            assert sample.messages[0]["content"][1]["text"].startswith(word)
    assert seen[0] < seen[0.2] < seen[0.8] < seen[1]


def test_text_only_rows_have_their_own_ratio_and_count(instructions: Make) -> None:
    pictures, text = instructions(10), instructions(30, "text", pictures=False)
    taken = {}
    for rows in (5, 15):
        parts = [MixturePart(pictures, 0.2), MixturePart(text, 0.8, rows)]
        mixture = Mixture(parts, "eu", "en", seed=0)
        assert len(mixture) == 10 + rows
        counts = mixture.counts()
        assert counts["instructions"] == {"eu": 2, "en": 8}
        assert counts["text"] == {"eu": round(0.8 * rows), "en": rows - round(0.8 * rows)}
        taken[rows] = {mixture[i].id for i in range(10, len(mixture))}
        assert mixture[0].image_id == "image-0" and mixture[10].image_id is None
        assert mixture.image_id(0) == (0, "image-0") and mixture.image_id(10) == (1, None)
    assert taken[5] < taken[15]
    with pytest.raises(InputError, match="text: expected 31 rows, found 30"):
        Mixture([MixturePart(text, 0.8, 31)], "eu", "en", seed=0)


def test_counts_of_a_corpus_that_is_in_twice_add_up(instructions: Make) -> None:
    corpus = instructions(10)
    parts = [MixturePart(corpus, 0.2), MixturePart(corpus, 1.0, 5)]
    mixture = Mixture(parts, "eu", "en", seed=0)
    assert mixture.counts() == {"instructions": {"eu": 7, "en": 8}}


def test_who_speaks_stays_as_it_was_in_earlier_versions() -> None:
    ids = [f"row-{i}" for i in range(12)]
    assert np.flatnonzero(choose_target_rows(ids, 0.5, 0)).tolist() == [1, 2, 3, 4, 6, 7]


def test_passes_are_different_permutations_that_can_be_had_again(instructions: Make) -> None:
    mixture = Mixture([MixturePart(instructions(50), 0.5)], "eu", "en", seed=1)
    first, second = mixture.order(0), mixture.order(1)
    assert sorted(first) == list(range(50)) and (first != second).any()
    again = pickle.loads(pickle.dumps(mixture))
    assert (again.order(1) == second).all() and again[7].messages == mixture[7].messages


@pytest.mark.parametrize("passes", [1, 3])
def test_batches_of_one_task_come_in_any_order_and_what_is_left_fills_mixed_ones(
    tmp_path: Path, passes: int
) -> None:
    tasks: list[str | None] = ["count"] * 22 + ["colour"] * 10 + [None] * 6
    parts = [
        MixturePart(write_tasks(tmp_path / "first", tasks), 0.5),
        MixturePart(write_tasks(tmp_path / "other", ["count"] * 9), 0.5, 8),
    ]
    kinds = [*((0, task) for task in tasks), *[(1, "count")] * 8]
    mixture = Mixture(parts, "eu", "en", seed=1, batch_size=4)
    orders = [mixture.order(epoch) for epoch in range(passes)]
    for order in orders:
        assert sorted(order) == list(range(46))
    read = np.concatenate(orders)
    batches = [read[start : start + 4] for start in range(0, len(read), 4)]
    of_one = [len({kinds[row] for row in batch}) == 1 for batch in batches]
    # 5 + 2 + 1 + 2 of a pass are whole; where a pass begins within a batch, some may not be.
    assert sum(of_one) >= 10 if passes == 1 else sum(of_one) >= 3 * 9
    seen = [kinds[batch[0]] for batch, one in zip(batches, of_one, strict=True) if one]
    turns = sum(one != other for one, other in pairwise(seen))
    assert set(seen) == set(kinds) and turns > len(set(kinds))  # tasks take no blocks of steps
    assert not all(of_one[:-1])  # what is left of all tasks comes among the others


def test_rows_of_tasks_with_too_few_stay_in_their_order(tmp_path: Path) -> None:
    part = MixturePart(write_tasks(tmp_path / "rows", ["count", "colour", "name"] * 2), 0.5)
    orders = [Mixture([part], "eu", "en", 1, size).order(0) for size in (None, 4)]
    assert (orders[0] == orders[1]).all()


def test_grouping_by_task_does_not_depend_on_the_ratio(tmp_path: Path) -> None:
    corpus = write_tasks(tmp_path / "rows", ["count", "colour"] * 10)
    orders = [Mixture([MixturePart(corpus, r)], "eu", "en", 1, 4).order(2) for r in (0.0, 0.8)]
    assert (orders[0] == orders[1]).all()


def write_tasks(folder: Path, tasks: Sequence[str | None]) -> Corpus:
    with CorpusWriter(folder, "instruction", ["eu", "en"]) as writer:
        for number, task in enumerate(tasks):
            writer.add_row(f"{folder.name}-{number}", None, instruction(number), task=task)
    return Corpus.open(folder)


def test_captions_answer_a_prompt_of_their_language(tmp_path: object, instructions: Make) -> None:
    folder = instructions(1).folder.parent / "captions"
    with CorpusWriter(folder, "caption", ["eu", "en"]) as writer:
        for number in range(12):
            texts = {"eu": {"text": "katua"}, "en": {"text": "cat"}}
            writer.add_row(f"c{number}", None, texts)
    prompts = {"eu": ["Deskribatu.", "Zer da?"], "en": ["Describe.", "What?"]}
    part = MixturePart(Corpus.open(folder), 0.5, prompts=prompts)
    mixture = Mixture([part], "eu", "en", 0)
    asked = set()
    for number in range(12):
        user, assistant = mixture[number].messages
        language = mixture[number].language
        asked.add(user["content"][0]["text"])
        assert user["content"][0]["text"] in prompts[language]
        assert assistant["content"][0]["text"] == {"eu": "katua", "en": "cat"}[language]
    assert len(asked) == 4
    with pytest.raises(InputError, match="row c0: expected a caption prompt, found none"):
        Mixture([MixturePart(Corpus.open(folder), 0.0)], "eu", "en", 0)[0]


@pytest.mark.parametrize(
    ("row_type", "columns", "answer"),
    [
        ("vqa", {"question": "?", "answers": ["b", "a"]}, "b"),
        ("choice", {"question": "?", "choices": ["a", "b"], "answer": 1}, "b"),
    ],
)
def test_questions_with_answers_can_be_trained_on(
    row_type: str, columns: dict[str, object], answer: str
) -> None:
    row = {"id": "r", "image_id": "i", **columns}
    user, assistant = to_messages(row, row_types.load(row_type), ())
    assert user["content"] == [{"type": "image"}, {"type": "text", "text": "?"}]
    assert assistant["content"] == [{"type": "text", "text": answer}]


def test_open_questions_cannot() -> None:
    with pytest.raises(InputError, match="expected rows with an answer to train on, found open"):
        to_messages({"id": "r", "image_id": None, "question": "?"}, row_types.load("open"), ())


def test_a_sample_out_of_range_is_told(instructions: Make) -> None:
    mixture = Mixture([MixturePart(instructions(3), np.float64(0.5))], "eu", "en", 0)
    with pytest.raises(IndexError, match="sample 3 of 3"):
        mixture[3]
