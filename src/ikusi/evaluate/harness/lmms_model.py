"""Our scorer as a model of lmms-eval: `--model ikusi --model_args pretrained=FOLDER`.

Choices are scored by the log-probability of the whole option, its end of turn included, after
picture and question; lmms-eval takes the lowest number for the best, so its negative is given.
Pictures are encoded once for all options of a question, and questions go in batches. Whatever
cannot be answered raises: an empty answer would be scored.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

from lmms_eval.api.instance import GenerationResult
from lmms_eval.api.model import lmms
from PIL import Image

from ikusi import progress
from ikusi.answer.engine import Query
from ikusi.answer.engines.here import open_local
from ikusi.evaluate.plan import ROWS_PER_PICTURE

IMAGE = "<image>"
LONGEST = 1024  # tokens of an answer, where a task does not say: lmms-eval's own figure

Request = tuple[Any, ...]


class Ikusi(lmms):
    """A LLaVA or another model of images and text, scored and generated from by Ikusi.

    Args:
        pretrained: a model's folder, or a hub id that is in the cache.
        dtype: float32, bfloat16 or float16; by default as `ikusi evaluate` has it.
        device: by default a GPU where there is one.
        batch_size: pictures and sequences at once.
    """

    is_simple = True

    def __init__(
        self,
        pretrained: str,
        dtype: str | None = None,
        device: str | None = None,
        batch_size: int | str = 64,
        **others: Any,
    ) -> None:
        super().__init__()
        if others:
            raise ValueError(f"expected pretrained, dtype, device, batch_size; found {others}")
        size = int(batch_size)
        self.engine = open_local(pretrained, dtype=dtype, device=device, batch_size=size)

    @property
    def rank(self) -> int:
        """The number of this process."""
        return int(self._rank)

    @property
    def world_size(self) -> int:
        """Number of processes."""
        return int(self._world_size)

    def loglikelihood(self, requests: Sequence[Any]) -> list[GenerationResult]:
        """Return minus the log-probability of each continuation, and whether it is greedy.

        lmms-eval from 0.7 on would turn a plain pair into text; inside a result it stays.
        """
        asked: dict[tuple[Any, ...], list[int]] = {}
        for number, request in enumerate(requests):
            context, _, visual, *row = request.args
            asked.setdefault((context, visual, *row), []).append(number)
        results: dict[int, GenerationResult] = {}
        for part in self._parts(list(asked)):
            options = {key: [self._target(requests[n].args) for n in asked[key]] for key in part}
            replies = self._answer([(key[0], key[1], *key[2:]) for key in part], options)
            for key, reply in zip(part, replies, strict=True):
                for number, score in zip(asked[key], reply.scores, strict=True):
                    pair = (-score.total, bool(score.greedy))
                    results[number] = GenerationResult(text=pair)
        return [results[number] for number in range(len(requests))]

    def generate_until(self, requests: Sequence[Any]) -> list[str]:
        """Return the greedy answer to each request, cut at the first of its stop strings."""
        answers: list[str] = []
        for part in self._parts([request.args for request in requests]):
            replies = self._answer([(args[0], args[2], *args[3:]) for args in part], {}, part)
            for args, reply in zip(part, replies, strict=True):
                answers.append(_cut(reply.text, args[1].get("until") or []))
        return answers

    def generate_until_multi_round(self, requests: Sequence[Any]) -> list[str]:
        """Refuse: no benchmark of ours has several rounds."""
        raise NotImplementedError("ikusi: several rounds of questions")

    def _parts(self, asked: Sequence[Request]) -> Iterator[Sequence[Request]]:
        size = self.engine.batch_size * ROWS_PER_PICTURE
        with progress.show("answering") if self.rank == 0 else nullcontext() as report:
            for start in range(0, len(asked), size):
                part = asked[start : start + size]
                yield part
                if report:
                    report(start + len(part), len(asked))

    def _answer(
        self,
        asked: Sequence[Request],
        options: Mapping[Request, Sequence[str]],
        requests: Sequence[Request] = (),
    ) -> list[Any]:
        """Replies to (context, visual, row, task, split), with options or a length limit each."""
        pictures: dict[str, Image.Image] = {}
        queries = []
        for number, (context, visual, row, task, split) in enumerate(asked):
            images = visual(self.task_dict[task][split][row])
            keys = [f"{task}/{split}/{row}/{place}" for place in range(len(images))]
            pictures |= zip(keys, map(_picture, images), strict=True)
            message = {"role": "user", "content": _content(context, keys)}
            texts = tuple(options.get((context, visual, row, task, split), ()))
            limit = 0 if texts else _limit(requests[number][1])
            queries.append(Query(f"{task}: row {row}", (message,), texts, limit))
        return self.engine.answer(queries, self.engine.prepare(pictures))

    def _target(self, args: Request) -> str:
        """The text of a continuation; the space before it stands for the start of a turn."""
        _, target, _, row, task, split = args
        text = target if isinstance(target, str) else target(self.task_dict[task][split][row])
        return str(text).removeprefix(" ")


def _content(context: str, keys: Sequence[str]) -> list[dict[str, Any]]:
    """Text and pictures of a turn; pictures that the text does not place come before it."""
    texts = context.split(IMAGE)
    if len(texts) == 1:
        images = [{"type": "image", "key": key} for key in keys]
        return [*images, {"type": "text", "text": context}]
    if len(texts) != len(keys) + 1:
        raise ValueError(f"expected {len(keys)} {IMAGE} in the context, found {len(texts) - 1}")
    content: list[dict[str, Any]] = []
    for text, key in zip(texts, [*keys, None], strict=True):
        content += [{"type": "text", "text": text}] if text else []
        content += [{"type": "image", "key": key}] if key is not None else []
    return content


def _picture(image: Any) -> Image.Image:
    if not isinstance(image, Image.Image):
        raise TypeError(f"expected a picture, found {type(image).__name__}: {image!r:.80}")
    return image.convert("RGB")


def _limit(settings: Mapping[str, Any]) -> int:
    """The length limit of an answer; only greedy answers are given."""
    warm = (settings.get("temperature") or 0) > 0 and settings.get("do_sample", True)
    if settings.get("do_sample") or warm or (settings.get("num_beams") or 1) > 1:
        raise ValueError(f"expected greedy generation, found {dict(settings)}")
    return int(settings.get("max_new_tokens") or LONGEST)


def _cut(text: str, stops: str | Sequence[str]) -> str:
    for stop in [stops] if isinstance(stops, str) else stops:
        text = text.split(stop)[0] if stop else text
    return text.strip()
