"""Work of each step of a study: tokens, operations, bytes moved, and what it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from math import ceil

from ikusi.evaluate import benchmark
from ikusi.evaluate.benchmark import Benchmark
from ikusi.plan import shapes
from ikusi.plan.amounts import Amount, Amounts, count_tests
from ikusi.plan.made import Made, describe
from ikusi.plan.shapes import Place
from ikusi.plan.span import NOTHING, Span
from ikusi.pretrained import describe_shape
from ikusi.recipe import Recipe, Stage, TextOnly
from ikusi.recipe.folder import (
    ALIGN,
    DATA,
    EVALUATE,
    FEATURES,
    INSTRUCT,
    MERGE,
    REPORT,
    name_align_step,
    name_evaluate_step,
    name_instruct_step,
    name_merge_step,
)
from ikusi.study import noting
from ikusi.study.layout import Named
from ikusi.study.steps import encoding
from ikusi.train.estimates import Cost, Memory, Sizes

MOST_TOKENS = 16_384  # in one forward pass, where `compute.micro_tokens` says nothing
BENCHMARKS = 4  # of the miniature that have pictures
LONG = 4  # times the usual length of its text: the longest sample that is assumed


@dataclass(frozen=True)
class Work:
    """The work of a step.

    Attributes:
        name, kind, inputs: as in `ikusi.study.graph.Step`.
        cards: how many it works on at once.
        amount: of what its kind counts (`ikusi.speeds`): tokens, pictures, questions.
        rows: rows that it passes.
        operations: floating-point operations in all.
        moved: bytes of weights that are read while answers are written.
        does: which efficiency applies: training, reading, or nothing that a card computes.
        parts: bytes that each card holds at most, by what they are for; none where not estimated.
        peak: the most of them at once.
        weights: bytes that are opened at its beginning, and written at its end.
        about: what its speed depends on, for speeds that were measured.
        notes: where its figures are from.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    about: str
    does: str = ""
    cards: int = 1
    amount: Span = NOTHING
    rows: int = 1
    operations: Span = NOTHING
    moved: Span = NOTHING
    parts: Mapping[str, float] = field(default_factory=dict)
    peak: float | None = None
    weights: float = 0
    notes: tuple[str, ...] = ()


Maker = Callable[[tuple[str, ...]], Work]
"""Makes the work of a step, once its inputs are known."""


@dataclass
class Workload:
    """The work of all steps of a recipe.

    Attributes:
        gpu: whether it runs on GPUs, where models are opened in two bytes a weight.
    """

    recipe: Recipe
    amounts: Amounts
    gpu: bool

    @cached_property
    def vision(self) -> Place:
        """The encoder."""
        return shapes.find(self.recipe.encoder)

    def list_work(self, named: Sequence[Named]) -> list[Work]:
        """The work of each step, in their order.

        Raises:
            InputError: a model's shape or a corpus's rows are not known.
        """
        made = {**self._prepare(), **dict(self._list_trainings()), **dict(self._list_merges())}
        made |= dict(self._list_measured())
        return [made[one.name](one.inputs) for one in named]

    def _prepare(self) -> dict[str, Maker]:
        pictures = self.recipe.miniature.image_size if self.recipe.miniature else 0
        drawn, asked = Span.exactly(self._count_drawn()), Span.exactly(self._count_asked())
        makers: dict[str, Maker] = {
            DATA: lambda inputs: Work(
                DATA, DATA, inputs, noting.describe_data(pictures), amount=drawn,
                rows=round(drawn.middle), notes=("pictures: the recipe",),
            ),
            REPORT: lambda inputs: Work(
                REPORT, REPORT, inputs, noting.describe_report(), amount=asked,
                rows=round(asked.middle),
            ),
        }  # fmt: skip
        for name, stage in encoding.find_features_steps(self.recipe).items():
            makers[name] = self._encode(name, stage)
        return makers

    def _count_drawn(self) -> int:
        made = self.recipe.miniature
        if made is None:
            return 0
        tested = BENCHMARKS * count_tests(made)
        return made.train_scenes + made.caption_scenes + tested

    def _count_asked(self) -> int:
        """Questions that all models of the study are asked, in two languages."""
        recipe = self.recipe
        every = bare = 0
        for one in map(benchmark.load, recipe.benchmarks):
            rows, _ = self.amounts.count_questions(one.name, one.corpus)
            every, bare = every + rows, bare + rows * one.text_only
        models = len(recipe.runs()) + len(recipe.list_merged())
        return 2 * (models * every + len(recipe.grid.backbones) * bare)

    def _encode(self, name: str, stage: Stage) -> Maker:
        role = "caption" if stage is self.recipe.stages.align else "instruction"
        amount = self.amounts.find(stage.corpus, role, find_limit(stage))
        seen = shapes.read_encoder(self.vision)
        exact = any(other.precision != "bf16" for other in self.recipe.stages.every)
        about = noting.describe_features(
            describe_shape(self.vision.config), "fp32" if exact else "bf16"
        )
        held = seen.encoder * (4 if exact or not self.gpu else 2)
        return lambda inputs: Work(
            name,
            FEATURES,
            inputs,
            about,
            "reading",
            amount=Span.exactly(amount.rows),
            rows=amount.rows,
            operations=Span.exactly(2.0 * seen.encoder * seen.patches * amount.rows),
            parts={"encoder": held},
            peak=held,
            weights=held,
            notes=(f"pictures: {amount.source}",),
        )

    def _list_trainings(self) -> Iterator[tuple[str, Maker]]:
        recipe = self.recipe
        for one in recipe.alignments() if recipe.stages.align else []:
            name = name_align_step(one.name)
            yield name, self._train(name, ALIGN, recipe.stages.alignment, one.backbone, None)
        for run in recipe.runs():
            name = name_instruct_step(run.name)
            text = recipe.text_only if run.text_only else None
            yield name, self._train(name, INSTRUCT, recipe.stages.instruct, run.backbone, text)

    def _train(
        self, name: str, kind: str, stage: Stage, backbone: str, text: TextOnly | None
    ) -> Maker:
        made = describe(self.recipe, backbone, self.amounts.find_pictures(stage.corpus))
        sizes = made.sizes
        stored = encoding.find_features_step(self.recipe, stage) is not None
        features = stored and not self.recipe.sees(backbone)
        role = "caption" if kind == ALIGN else "instruction"
        amount = self.amounts.find(stage.corpus, role, find_limit(stage))
        added = self.amounts.find(text.corpus, "text", text.rows) if text else None
        rows = count_rows(stage, amount.rows + (text.rows if text else 0))
        share = text.rows / (amount.rows + text.rows) if text else 0.0
        mixed = _Mixed.of(rows, made.image, amount, added, share, stage.max_length)
        learns = sizes.count_learning(stage) / sizes.llm if "llm" in stage.trainable else 0.0
        cost = Cost.of(
            sizes,
            made.image.middle,
            learns=min(learns, 1.0),
            encodes=not features,
            vision_learns=False,
            patches=made.patches,
        )
        memory = self._hold(sizes, stage, mixed, features)
        compute = self.recipe.compute
        several = compute.model_dump(mode="json")
        settings = stage.model_dump(mode="json")
        about = noting.describe_training(made.shape, settings, features, several)
        opened = sizes.total * (2 if self.gpu else 4)
        return lambda inputs: Work(
            name,
            kind,
            inputs,
            about,
            "training",
            cards=compute.together,
            amount=mixed.tokens * rows,
            rows=rows,
            operations=mixed.operations(cost),
            parts=memory,
            peak=memory["peak"],
            weights=2 * opened,
            notes=_describe_sources(made, amount, *([added] if added else [])),
        )

    def _hold(self, sizes: Sizes, stage: Stage, mixed: _Mixed, features: bool) -> dict[str, float]:
        """Bytes by part, with their `peak`."""
        compute = self.recipe.compute
        most = compute.micro_tokens or MOST_TOKENS
        each = ceil(stage.batch_size / compute.together)
        whole = each * mixed.tokens.high
        tokens = min(max(most, mixed.longest), ceil(whole))
        bf16 = stage.precision == "bf16" or (stage.precision == "auto" and self.gpu)
        held = stage.model_copy(update={"precision": "bf16" if bf16 else "fp32"})
        memory = Memory.of(
            sizes,
            held,
            half=self.gpu,
            tokens=tokens,
            supervised=ceil(tokens * mixed.supervised),
            images=ceil(tokens / mixed.tokens.middle),
            processes=compute.together,
            parallel=compute.parallel,
            encoder=not features,
        )
        peak = memory.peak_in_parts if whole > most else memory.peak
        return {**asdict(memory), "peak": peak}

    def _list_merges(self) -> Iterator[tuple[str, Maker]]:
        for name, backbone in self._list_merged().items():
            step = name_merge_step(name)
            yield step, self._merge(step, backbone)

    def _list_merged(self) -> dict[str, str]:
        """The backbone of each merged model."""
        backbones = {run.name: run.backbone for run in self.recipe.runs()}
        return {one.name: backbones[one.run] for one in self.recipe.list_merged()}

    def _merge(self, step: str, backbone: str) -> Maker:
        made = self._describe_asked(backbone, ())
        written = made.sizes.total * (2 if self.gpu else 4)
        return lambda inputs: Work(
            step,
            MERGE,
            inputs,
            noting.describe_merge(made.shape),
            "reading",
            amount=Span.exactly(written),
            weights=4 * written,  # three models are read, and one is written
            notes=("bytes: three models read, one written",),
        )

    def _list_measured(self) -> Iterator[tuple[str, Maker]]:
        recipe = self.recipe
        asked = [benchmark.load(name) for name in recipe.benchmarks]
        made = {run.name: run.backbone for run in recipe.runs()} | self._list_merged()
        for model, backbone in made.items():
            name = name_evaluate_step(model)
            yield name, self._measure(name, backbone, asked, True)
        alone = [one for one in asked if one.text_only]
        for backbone in recipe.grid.backbones:
            name = name_evaluate_step(f"{backbone}-backbone")
            yield name, self._measure(name, backbone, alone, recipe.sees(backbone))

    def _describe_asked(self, backbone: str, asked: Sequence[Benchmark]) -> Made:
        """A model that is asked about the pictures of benchmarks."""
        shown = [one.name for one in asked if not one.text_only]
        named = shown[0] if shown else self.recipe.stages.instruct.corpus
        return describe(self.recipe, backbone, self.amounts.find_pictures(named))

    def _measure(self, name: str, backbone: str, asked: Sequence[Benchmark], sees: bool) -> Maker:
        made = self._describe_asked(backbone, asked)
        sizes, image = made.sizes, made.image * sees
        questions, notes = self.amounts.table.questions, list[str]()
        operations, moved, count = NOTHING, NOTHING, 0
        byte = 2 if self.gpu else 4
        read = questions.read.span()
        for one in asked:
            rows, source = self.amounts.count_questions(one.name, one.corpus)
            notes.append(f"{one.name}: {rows:,} rows ({source})")
            both = 2 * rows  # in two languages; a picture is read once for both
            text = read + questions.shot.span() * one.few_shots
            written = questions.written.span() * one.max_new_tokens
            options = questions.option.span() * (4 if one.scorer == "options" else 0)
            processed = (text + written + options) * both
            seen = 0 if one.text_only else rows
            looked = (image * sizes.connector + Span.exactly(sizes.encoder * sizes.patches)) * 2.0
            operations += processed * (2.0 * sizes.llm)
            operations += (looked + image * (2.0 * sizes.body)) * seen
            moved += written * (ceil(both / self.recipe.compute.eval_batch_size) * sizes.llm * byte)
            count += both
        longest = (
            max((one.max_new_tokens for one in asked), default=0) + LONG * read.high + image.high
        )
        kept = self.recipe.compute.eval_batch_size * longest * sizes.layers * 2 * sizes.keys * byte
        held = (sizes.total if sees else sizes.llm) * byte
        shape = made.shape if sees else describe_shape(made.places[0].config)
        return lambda inputs: Work(
            name,
            EVALUATE,
            inputs,
            noting.describe_evaluation(
                shape, [one.name for one in asked], self.recipe.compute.model_dump(mode="json")
            ),
            "reading",
            amount=Span.exactly(count),
            rows=count,
            operations=operations,
            moved=moved,
            parts={"frozen": held, "saved": kept, "peak": held + kept},
            peak=held + kept,
            weights=held,
            notes=tuple(notes),
        )


@dataclass(frozen=True)
class _Mixed:
    """The rows that a training passes, pictures and text alone together.

    Attributes:
        tokens: of a row, on average; `longest`: the most that is assumed.
        text: share of rows without a picture.
        supervised: share of all tokens that is learnt.
    """

    rows: int
    tokens: Span
    longest: int
    text: float
    supervised: float

    @classmethod
    def of(
        cls,
        rows: int,
        image: Span,
        amount: Amount,
        added: Amount | None,
        share: float,
        most: int,
    ) -> _Mixed:
        shown = amount.text + image * amount.pictures
        tokens = shown * (1 - share) + (added.text * share if added else NOTHING)
        tokens = Span(*(min(one, most) for one in (tokens.low, tokens.middle, tokens.high)))
        learnt = amount.text.middle * amount.supervised * (1 - share)
        learnt += added.text.middle * added.supervised * share if added else 0
        longest = max(
            image.high + LONG * amount.text.middle, LONG * added.text.middle if added else 0
        )
        return cls(rows, tokens, ceil(min(longest, most)), share, learnt / tokens.middle)

    def operations(self, cost: Cost) -> Span:
        """Operations of all rows, there and back."""

        def total(tokens: float) -> float:
            pairs = tokens * (tokens + 1) / 2
            images = 1 - self.text
            return self.rows * cost.total(tokens, pairs, tokens * self.supervised, images)

        return Span(*map(total, (self.tokens.low, self.tokens.middle, self.tokens.high)))


def count_rows(stage: Stage, rows: int) -> int:
    """Rows that a stage passes."""
    passed = round(stage.epochs * rows)
    return min(passed, stage.max_steps * stage.batch_size) if stage.max_steps else passed


def find_limit(stage: Stage) -> int | None:
    """Rows that a stage passes at most, where it says so."""
    return stage.max_steps * stage.batch_size if stage.max_steps else None


def _describe_sources(made: Made, *amounts: Amount) -> tuple[str, ...]:
    read = [f"rows: {one.source}; text: {one.length}" for one in amounts]
    published = [f"{one.name}: {one.source}" for one in reversed(made.places) if not one.folder]
    return (*read, *([made.assumed] if made.assumed else []), *published)
