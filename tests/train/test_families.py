"""Every family of models that see is trained as its stock forward would be, on its own prompts."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoModelForImageTextToText

from ikusi.answer.engine import Query
from ikusi.answer.engines.general import General
from ikusi.answer.engines.here import open_local
from ikusi.errors import InputError
from ikusi.model import chat, families
from ikusi.model.learning import find_part, set_trainable
from ikusi.model.resizing import AcrossFirst
from ikusi.train.attention import use_packed_attention
from ikusi.train.batches import EncodedSample, collate, list_distinct_pictures
from ikusi.train.packed import PackedModel
from ikusi.train.stages import Progress, recompute_activations, train_stage
from ikusi.train.steps import Encoder
from model import seeing
from train.samples import Row, stage

SIZES = {"wide": (48, 16), "square": (20, 20)}
GENERAL = [name for name in seeing.FAMILIES if name != "llava"]  # whose own tests are elsewhere
ATOL = 2e-5  # of every gradient, in fp32; the largest are of the order of 1


class Pictures:
    """Pictures of two sizes, by name."""

    folder = "memory"

    def image(self, image_id: str) -> Image.Image:
        width, height = SIZES[image_id]
        pixels = np.random.default_rng(width).integers(0, 255, (height, width, 3), dtype=np.uint8)
        return Image.fromarray(pixels)

    def image_size(self, image_id: str) -> tuple[int, int]:
        return SIZES[image_id]


SHOWN = {"type": "image"}


def said(role: str, *parts: Any) -> dict[str, Any]:
    content = [{"type": "text", "text": part} if isinstance(part, str) else part for part in parts]
    return {"role": role, "content": content}


TALKS: list[tuple[str | None, list[dict[str, Any]]]] = [
    ("wide", [said("user", SHOWN, "What is this?"), said("assistant", "It is a cat.")]),
    ("square", [said("user", SHOWN, "Zer da hau?\n\nKatua da?"), said("assistant", "Bai, katua.")]),
    (None, [said("user", "Kaixo, what is a dog?"), said("assistant", "A cat, and 3 dogs.")]),
    (
        "wide",
        [
            said("user", SHOWN, "What?"),
            said("assistant", "A dog."),
            said("user", "Zer da?", SHOWN),
            said("assistant", "user\n\nkaixo"),
        ],
    ),
]


@dataclass(frozen=True)
class Samples:
    talks: Sequence[tuple[str | None, list[dict[str, Any]]]]
    corpus: Any = field(default_factory=Pictures)

    def __len__(self) -> int:
        return len(self.talks)

    def __getitem__(self, index: int) -> Row:
        image_id, messages = self.talks[index]
        return Row(f"row-{index}", "eu", self.corpus, image_id, messages)

    def take(self, indices: Sequence[int]) -> list[Row]:
        return [self[index] for index in indices]

    def image_id(self, index: int) -> tuple[int, str | None]:
        return 0, self.talks[index][0]

    def order(self, epoch: int) -> Sequence[int]:
        return range(len(self))


@dataclass
class Opened:
    folder: Path
    model: Any
    processor: Any
    encoder: Encoder
    talks: Sequence[tuple[str | None, list[dict[str, Any]]]]

    @property
    def rows(self) -> list[EncodedSample]:
        return self.encoder.encode(range(len(self.talks)))


def open_model(folder: Path) -> tuple[Any, Any]:
    auto: Any = AutoModelForImageTextToText
    model = auto.from_pretrained(folder).eval()
    family = families.find_of(model)
    assert family is not None
    return model, family.open_processor(folder)


@pytest.fixture(scope="module", params=seeing.FAMILIES)
def opened(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Opened:
    make = getattr(seeing, request.param)
    folder = make(tmp_path_factory.mktemp("seeing") / request.param)
    model, processor = open_model(folder)
    alone = families.find_of(model).alone  # type: ignore[union-attr]
    talks = [one for one in TALKS if not alone or chat.count_images(one[1]) < 2]
    if request.param.startswith("paligemma"):
        talks = talks[:3]  # with one question
    return Opened(folder, model, processor, Encoder(Samples(talks), model, processor, 400), talks)


def test_the_pictures_of_a_family_are_resized_across_first(opened: Opened) -> None:
    assert isinstance(opened.processor.image_processor, AcrossFirst)


def process(processor: Any, talks: Sequence[Any]) -> dict[str, Tensor]:
    """Inputs that the family's own processor makes of whole conversations."""
    texts = [processor.apply_chat_template(messages, tokenize=False) for _, messages in talks]
    images = [
        [Pictures().image(image_id)] * chat.count_images(messages)
        for image_id, messages in talks
        if image_id
    ]
    bos = processor.tokenizer.bos_token
    written = bos is not None and texts[0].startswith(bos)
    return dict(
        processor(
            text=texts,
            images=images or None,
            padding=True,
            padding_side="right",
            add_special_tokens=not written,
            return_tensors="pt",
        )
    )


def test_what_the_encoder_sees_is_counted_apart_from_the_llms_tokens(opened: Opened) -> None:
    seen: list[int] = []
    convolutions = [
        part
        for name, part in opened.model.named_modules()
        if isinstance(part, torch.nn.Conv2d | torch.nn.Conv3d) and find_part(opened.model, name)
    ]
    hooks = [
        part.register_forward_hook(
            lambda part, given, made: seen.append(made.numel() // part.out_channels)
        )
        for part in convolutions
    ]
    encoder = opened.encoder
    assert encoder.sight is not None
    family = encoder.sight.family
    with torch.no_grad():
        pixels = family.prepare(opened.model, opened.processor, [Pictures().image("wide")])
        if isinstance(pixels, dict):
            family.compute_features(opened.model, pixels)
        else:
            opened.model.model.vision_tower(pixels)
    for hook in hooks:
        hook.remove()
    assert encoder.sight.count_patches(SIZES["wide"]) == sum(seen) > 0
    tokens, patches = encoder.count_image_tokens()
    each = sum(seen) / encoder.sight.show(SIZES["wide"]).features
    assert patches == pytest.approx(tokens * each)


def stock_loss(opened: Opened, rows: Sequence[EncodedSample]) -> Tensor:
    """The plain way: stock forward, right padding, all logits, labels of -100."""
    total = torch.zeros(())
    for shows in (True, False):
        chosen = [n for n, (image_id, _) in enumerate(opened.talks) if bool(image_id) == shows]
        inputs = process(opened.processor, [opened.talks[n] for n in chosen])
        ids, labels = inputs["input_ids"], torch.full_like(inputs["input_ids"], -100)
        for place, n in enumerate(chosen):
            labels[place, rows[n].supervised] = ids[place, rows[n].supervised]
            for name in families.find_of(opened.model).answering:  # type: ignore[union-attr]
                inputs[name][place, rows[n].supervised[0] :] = 1
        logits = opened.model(**inputs, use_cache=False).logits
        flat = logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten()
        total = total + F.cross_entropy(*flat, reduction="sum")
    return total


def lay(encoder: Encoder, rows: Sequence[EncodedSample]) -> Any:
    return collate(rows, encoder.pixels(list_distinct_pictures(rows)), layout=encoder.sight)


def gradients(model: Any, loss: Tensor) -> dict[str, Tensor]:
    model.zero_grad()
    loss.backward()
    return {
        name: torch.zeros_like(p) if p.grad is None else p.grad.clone()
        for name, p in model.named_parameters()
        if p.requires_grad
    }


def test_rows_are_token_for_token_what_the_processor_makes(opened: Opened) -> None:
    for (image_id, messages), row in zip(opened.talks, opened.rows, strict=True):
        made = process(opened.processor, [(image_id, messages)])["input_ids"][0].tolist()
        assert row.input_ids.tolist() == made
        learned = opened.processor.tokenizer.decode(row.input_ids[row.supervised])
        for message in messages[1::2]:
            assert message["content"][0]["text"] in learned


@pytest.mark.parametrize("opened", GENERAL, indirect=True)
def test_prompts_of_training_and_evaluation_are_the_same(opened: Opened) -> None:
    engine = open_local(opened.folder)
    assert isinstance(engine, General)
    for (image_id, messages), row in zip(opened.talks, opened.rows, strict=True):
        asked = [said(m["role"], *({**p, "key": "x"} for p in m["content"])) for m in messages[:-1]]
        query = Query("?", tuple(asked), max_new_tokens=1)
        pictures = {"x": Pictures().image(image_id)} if image_id else {}
        prompt = engine._inputs([engine._prompt(query)], [query], pictures)["input_ids"][0].tolist()
        assert row.input_ids.tolist()[: len(prompt)] == prompt
        assert len(prompt) in row.supervised


def test_packed_loss_and_gradients_are_those_of_the_stock_padded_forward(opened: Opened) -> None:
    model, rows = opened.model, opened.rows
    counts = set_trainable(model, ["connector", "llm", "vision"], opened.processor)
    assert all(counts.values())
    wanted = stock_loss(opened, rows)
    expected = gradients(model, wanted)
    with use_packed_attention(model):
        batch = lay(opened.encoder, rows)
        loss = PackedModel(model, bf16=False)(batch)
    assert float(loss.detach()) == pytest.approx(float(wanted.detach()), abs=1e-4)
    found = gradients(model, loss)
    largest = max(float(gradient.abs().max()) for gradient in expected.values())
    for name, gradient in found.items():
        torch.testing.assert_close(
            gradient, expected[name], atol=ATOL * largest, rtol=1e-4, msg=name
        )
    moved = {find_part(model, name) for name, gradient in found.items() if gradient.abs().max() > 0}
    assert moved == counts.keys()
    assert largest > 0.1


@pytest.mark.parametrize("opened", ["paligemma2"], indirect=True)
def test_a_model_that_bounds_its_logits_learns_by_what_is_left_of_them(opened: Opened) -> None:
    test_packed_loss_and_gradients_are_those_of_the_stock_padded_forward(opened)


def test_no_sample_sees_another_and_a_picture_is_looked_at_once(opened: Opened) -> None:
    rows = opened.rows
    packed = PackedModel(opened.model, bf16=False)
    with use_packed_attention(opened.model), torch.no_grad():
        together = lay(opened.encoder, rows)
        found = packed.logits(together)
        alone = [packed.logits(lay(opened.encoder, [row])) for row in together.samples]
    torch.testing.assert_close(found, torch.cat(alone), atol=1e-4, rtol=1e-4)
    shown = [row.picture for row in rows if row.picture]
    assert len(list_distinct_pictures(rows)) == 2 <= len(shown)
    features = sum(row.shown.features * row.images for row in rows if row.shown)
    distinct = {row.picture: row.shown.features for row in rows if row.shown}
    assert len(together.image_index) == features
    assert int(together.image_index.max()) + 1 == sum(distinct.values())


@pytest.mark.slow
@pytest.mark.parametrize("opened", GENERAL, indirect=True)
def test_a_trained_model_opens_in_plain_transformers_and_answers_the_same(
    opened: Opened, tmp_path: Path
) -> None:
    model, processor = open_model(opened.folder)
    settings = stage(epochs=2, max_length=400, batch_size=4, learning_rate=1e-3)
    train_stage(model, processor, Samples(opened.talks), settings, output=tmp_path, seed=1)
    again, own = open_model(tmp_path / "checkpoint")
    inputs = process(own, TALKS[:2])
    written = inputs["input_ids"]
    with torch.no_grad():
        trained, before = again(**inputs).logits, opened.model(**inputs).logits
        torch.testing.assert_close(trained, model(**inputs).logits)
    assert (trained - before).abs().max() > 1e-3
    assert written.equal(process(processor, TALKS[:2])["input_ids"])
    for name in ("preprocessor_config.json", "processor_config.json", "chat_template.jinja"):
        here, there = tmp_path / "checkpoint" / name, opened.folder / name
        assert here.exists() == there.exists()
        assert not there.exists() or here.read_text() == there.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("opened", ["qwen2_5_vl", "gemma3", "paligemma"], indirect=True)
def test_a_killed_training_goes_on_to_the_same_bits(opened: Opened, tmp_path: Path) -> None:
    settings = stage(epochs=1.5, max_length=400, batch_size=2, save_every=1)

    def run(output: Path, stop: int = -1) -> dict[str, Tensor]:
        def end(now: Progress) -> None:
            if now.step == stop:
                raise KeyboardInterrupt

        model, processor = open_model(opened.folder)
        with suppress(KeyboardInterrupt):
            train_stage(
                model,
                processor,
                Samples(opened.talks),
                settings,
                output=output,
                seed=1,
                progress=end,
            )
        return load_file(output / "checkpoint/model.safetensors") if stop < 0 else {}

    whole = run(tmp_path / "whole")
    run(tmp_path / "killed", stop=2)
    assert not (tmp_path / "killed/checkpoint").exists()
    resumed = run(tmp_path / "killed")
    assert all(tensor.equal(resumed[name]) for name, tensor in whole.items())


@pytest.mark.parametrize("again", [False, True])
def test_a_frozen_encoder_keeps_nothing_for_the_way_back(opened: Opened, again: bool) -> None:
    """So a model that sees takes no more memory for its encoder than its weights, and one layer."""
    model, kept = opened.model, list[bool]()
    set_trainable(model, ["connector", "llm"], opened.processor)
    parts = [
        part
        for name, part in model.named_modules()
        if name and not list(part.children()) and any(True for _ in part.parameters())
        if find_part(model, name) == "vision"
    ]
    hooks = [
        part.register_forward_hook(lambda part, given, made: kept.append(made.requires_grad))
        for part in parts
    ]
    with use_packed_attention(model), recompute_activations(model, again):
        loss = PackedModel(model, bf16=False)(lay(opened.encoder, opened.rows))
    looked = len(kept)
    loss.backward()
    for hook in hooks:
        hook.remove()
    assert len(kept) == looked > 4 and not any(kept)  # nor is it computed again


@pytest.mark.parametrize("opened", ["llava_next"], indirect=True)
def test_a_part_that_learns_is_held_in_one_format(opened: Opened, tmp_path: Path) -> None:
    """Also what of it no feature depends on, which is computed with all the same."""
    model, processor = open_model(opened.folder)
    settings = stage(epochs=1, max_length=400, batch_size=4, precision="bf16")
    settings = settings.model_copy(update={"trainable": ["connector", "llm", "vision"]})
    samples = Samples(opened.talks)
    train_stage(model.bfloat16(), processor, samples, settings, output=tmp_path, seed=1)
    assert open_model(tmp_path / "checkpoint")[0].dtype == torch.bfloat16


def test_a_picture_of_another_size_than_its_table_says_is_refused(opened: Opened) -> None:
    corpus = Pictures()
    corpus.image_size = lambda image_id: (16, 16)  # type: ignore[method-assign]
    encoder = Encoder(Samples(opened.talks, corpus), opened.model, opened.processor, 400)
    rows = encoder.encode([0])
    if not families.find_of(opened.model).sized:  # type: ignore[union-attr]
        assert lay(encoder, rows)
        return
    with pytest.raises(InputError, match=r"image wide: expected 16x16 pixels, .* found 48x16"):
        lay(encoder, rows)


def test_rows_with_a_picture_twice_are_refused_where_it_then_has_other_tokens(
    opened: Opened,
) -> None:
    family = families.find_of(opened.model)
    encoder = Encoder(Samples(TALKS), opened.model, opened.processor, 400)
    faults = dict(encoder.faults(range(len(TALKS))))
    assert list(faults) == (["row-3"] if family and (family.alone or family.answering) else [])


@pytest.mark.parametrize("opened", ["llava", "llava_next"], indirect=True)
def test_a_template_that_ends_no_answer_ends_it_with_the_end_of_text(opened: Opened) -> None:
    for (_, messages), row in zip(opened.talks, opened.rows, strict=True):
        learned = opened.processor.tokenizer.decode(row.input_ids[row.supervised])
        assert learned.count("</s>") == len(messages) // 2
    was = (opened.folder / "chat_template.jinja").read_text()
    assert (opened.processor.chat_template == was) == (opened.folder.name == "llava_next")
