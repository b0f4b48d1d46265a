"""Few-shots, letters and completions: what is put to a model, and that it is scored rightly."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from ikusi import language
from ikusi.answer.engine import Query
from ikusi.answer.engines.here import open_local
from ikusi.answer.engines.local import Local
from ikusi.data.corpus import Corpus, CorpusWriter
from ikusi.errors import InputError
from ikusi.evaluate import benchmark
from ikusi.evaluate.ask import Asker
from ikusi.evaluate.benchmark import Benchmark
from ikusi.miniature.bases import shipped
from ikusi.model import chat

PLACES = ["Bilbo", "Donostia", "Gasteiz", "Iruñea", "Baiona", "Irun", "Getxo", "Zarautz"]


@pytest.fixture(scope="module")
def trivia(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder = tmp_path_factory.mktemp("data") / "bertaqa"
    with CorpusWriter(folder, "choice", ["eu", "en"]) as writer:
        for number, place in enumerate(PLACES):
            choices = [PLACES[(number + step) % len(PLACES)] for step in range(3)]
            texts = {
                code: {"question": f"{ask} {place}?", "choices": choices, "answer": number % 3}
                for code, ask in (("eu", "Non dago"), ("en", "Where is"))
            }
            writer.add_row(str(number), None, texts, "local" if number % 2 else "global")
    return Corpus.open(folder)


@pytest.fixture(scope="module")
def llm() -> Any:
    return open_local(shipped.find_model("miniature/llama-en"))


def queries(bench: Benchmark, corpus: Corpus, code: str) -> list[Query]:
    asker = Asker(bench, corpus, language.load(code))
    return [asker.query(corpus.row(code, place)) for place in range(len(corpus))]


def text(message: Any) -> str:
    return "".join(part["text"] for part in message["content"])


def test_a_question_follows_five_others_with_their_answers(trivia: Corpus) -> None:
    bench = benchmark.load("bertaqa")
    for number, query in enumerate(queries(bench, trivia, "eu")):
        assert len(query.messages) == 11 and query.shared == 10
        assert [message["role"] for message in query.messages] == ["user", "assistant"] * 5 + [
            "user"
        ]
        asked = text(query.messages[-1])
        assert asked.startswith(f"Galdera: Non dago {PLACES[number]}?\nA: {PLACES[number]}\nB: ")
        assert asked.endswith("\nErantzuna:")
        assert asked not in [text(message) for message in query.messages[:-1]], "not its own answer"
        assert {text(message) for message in query.messages[1::2]} <= {"A", "B", "C"}
        assert query.options == ("A", "B", "C")


def test_examples_are_the_same_for_all_but_those_among_them(trivia: Corpus) -> None:
    found = queries(benchmark.load("bertaqa"), trivia, "en")
    shots = [tuple(map(text, query.messages[:-1])) for query in found]
    assert max(shots.count(one) for one in shots) == len(PLACES) - 5
    assert shots == [
        tuple(map(text, q.messages[:-1])) for q in queries(benchmark.load("bertaqa"), trivia, "en")
    ]


def test_too_few_rows_for_the_examples_are_told(tmp_path: Path) -> None:
    with CorpusWriter(tmp_path / "bertaqa", "choice", ["en"]) as writer:
        row = {"question": "?", "choices": ["a", "b"], "answer": 0}
        writer.add_row("1", None, {"en": row})
    corpus = Corpus.open(tmp_path / "bertaqa")
    with pytest.raises(InputError, match="expected more than 5 rows"):
        queries(benchmark.load("bertaqa"), corpus, "en")


@torch.no_grad()
def plain_scores(ids: Sequence[int], options: Sequence[Sequence[int]]) -> list[float]:
    """Each option read in a forward pass of its own, by transformers alone."""
    place = shipped.find_model("miniature/llama-en")
    model = AutoModelForCausalLM.from_pretrained(place, dtype=torch.float32)
    found = []
    for option in options:
        whole = torch.tensor([[*ids, *option]])
        logs = model(input_ids=whole).logits[0].float().log_softmax(-1)
        places = range(len(ids) - 1, whole.shape[1] - 1)
        found.append(sum(float(logs[place, whole[0, place + 1]]) for place in places))
    return found


@pytest.mark.slow
def test_letters_in_a_chat_score_as_read_plainly(trivia: Corpus, llm: Local) -> None:
    asked = queries(benchmark.load("bertaqa"), trivia, "en")
    words = AutoTokenizer.from_pretrained(shipped.find_model("miniature/llama-en"))
    for query, reply in list(zip(asked, llm.answer(asked, {}), strict=True))[:3]:
        messages: Any = query.messages
        ids = chat.encode_prompt(words, messages)
        letters = words(list(query.options), add_special_tokens=False).input_ids
        expected = plain_scores(ids, letters)
        assert [score.without_end for score in reply.scores] == pytest.approx(expected, abs=1e-4)


@pytest.mark.slow
def test_completions_score_as_the_text_read_plainly(trivia: Corpus, llm: Local) -> None:
    bench = benchmark.load("bertaqa").model_copy(update={"format": "completion"})
    asked = queries(bench, trivia, "en")
    words = AutoTokenizer.from_pretrained(shipped.find_model("miniature/llama-en"))
    for query, reply in list(zip(asked, llm.answer(asked, {}), strict=True))[:3]:
        shots = [
            f"{text(question)} {text(answer)}\n\n"
            for question, answer in zip(query.messages[:-1:2], query.messages[1::2], strict=True)
        ]
        written = "".join(shots) + text(query.messages[-1])
        ids = words(written).input_ids
        letters = [words(f"{written} {letter}").input_ids[len(ids) :] for letter in "ABC"]
        expected = plain_scores(ids, letters)
        assert [score.total for score in reply.scores] == pytest.approx(expected, abs=1e-4)
        assert [score.without_end for score in reply.scores] == [s.total for s in reply.scores]


@pytest.mark.slow
@pytest.mark.parametrize("form", ["chat", "completion"])
def test_examples_are_read_once_and_batches_change_nothing(
    trivia: Corpus, form: str, llm: Local
) -> None:
    bench = benchmark.load("bertaqa").model_copy(update={"format": form})
    asked = [*queries(bench, trivia, "eu"), *queries(bench, trivia, "en")]
    read: list[int] = []
    hook = llm.model.model.register_forward_pre_hook(
        lambda module, args, kwargs: read.append(kwargs["attention_mask"].shape[-1]),
        with_kwargs=True,
    )
    try:
        together = llm.answer(asked, {})
    finally:
        hook.remove()
    longest = max(len(prompt.ids) for prompt in llm.prompts(asked))
    assert sum(size > longest / 2 for size in read) < len(asked) * 3, "no prompt is read for itself"
    alone = [llm.answer([query], {})[0] for query in asked]
    for one, other in zip(together, alone, strict=True):
        assert one.prompt == other.prompt
        expected = [score.total for score in other.scores]
        assert [score.total for score in one.scores] == pytest.approx(expected, abs=1e-4)
