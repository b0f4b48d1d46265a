"""A packed batch is the padded batch: same loss, same gradients, no sample sees another."""

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers import Gemma2Config, Gemma2ForCausalLM

from ikusi.model.learning import set_trainable
from ikusi.train import packed
from ikusi.train.attention import attend_explicit, attend_fused, pack_lengths, use_packed_attention
from ikusi.train.batches import Batch, EncodedSample, collate, divide, list_distinct_pictures
from ikusi.train.packed import PackedModel
from ikusi.train.stages import recompute_activations
from ikusi.train.steps import Encoder, Steps
from train.samples import Samples, language_model, multimodal_model


def encoded(samples: Samples, model: Any, processor: Any) -> tuple[Encoder, list[EncodedSample]]:
    encoder = Encoder(samples, model, processor, max_length=64)
    return encoder, encoder.encode(range(len(samples)))


def shown(encoder: Encoder, rows: list[EncodedSample]) -> Batch:
    pictures = list_distinct_pictures(rows)
    return collate(rows, encoder.pixels(pictures) if pictures else None)


def packed_gradients(
    model: Any, encoder: Encoder, rows: list[EncodedSample], most_tokens: int | None = None
) -> tuple[float, dict[str, Tensor]]:
    model.zero_grad()
    total, supervised = 0.0, sum(len(row.supervised) for row in rows)
    with use_packed_attention(model):
        for cell in divide([len(row) for row in rows], 1, most_tokens)[0]:
            batch = shown(encoder, [rows[place] for place in cell])
            loss = PackedModel(model, bf16=False)(batch) / supervised
            loss.backward()
            total += float(loss.detach())
    return total, gradients(model)


def padded_gradients(
    model: Any, processor: Any, samples: Samples, rows: list[EncodedSample]
) -> tuple[float, dict[str, Tensor]]:
    """The plain way: stock forward, right padding, all logits, labels of -100."""
    model.zero_grad()
    width = max(len(row) for row in rows)
    ids, labels = torch.zeros(len(rows), width).long(), torch.full((len(rows), width), -100)
    mask = torch.zeros(len(rows), width).long()
    for number, row in enumerate(rows):
        ids[number, : len(row)] = torch.from_numpy(row.input_ids)
        mask[number, : len(row)] = 1
        labels[number, row.supervised] = ids[number, row.supervised]
    images = [samples.corpus.image(row.picture[1]) for row in rows if row.picture]
    shown = processor.image_processor(images=images, return_tensors="pt") if images else {}
    logits = model(input_ids=ids, attention_mask=mask, **shown).logits
    loss = F.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), reduction="mean")
    loss.backward()
    return float(loss.detach()), gradients(model)


def gradients(model: Any) -> dict[str, Tensor]:
    return {
        name: torch.zeros_like(p) if p.grad is None else p.grad.clone()
        for name, p in model.named_parameters()
        if p.requires_grad
    }


def assert_same(found: tuple[float, dict[str, Tensor]], wanted: tuple[float, Any]) -> None:
    assert found[0] == pytest.approx(wanted[0], abs=1e-5)
    assert found[1].keys() == wanted[1].keys()
    for name, gradient in found[1].items():
        torch.testing.assert_close(gradient, wanted[1][name], atol=1e-5, rtol=1e-5, msg=name)


@pytest.mark.parametrize("pictures", [True, False], ids=["mixed", "text alone"])
@pytest.mark.parametrize("connector", ["linear", "mlp2x_gelu"])
def test_loss_and_gradients_are_those_of_the_padded_batch(connector: str, pictures: bool) -> None:
    samples = Samples(9, pictures)
    model, processor = multimodal_model(connector)
    set_trainable(model, ["connector", "llm", "vision"])
    encoder, rows = encoded(samples, model, processor)
    wanted = padded_gradients(model, processor, samples, rows)
    assert_same(packed_gradients(model, encoder, rows), wanted)
    assert any(gradient.abs().max() > 1e-3 for gradient in wanted[1].values())


def test_a_bare_llm_gets_the_gradients_of_the_padded_batch() -> None:
    samples = Samples(7, pictures=False)
    model, tokenizer = language_model()
    encoder, rows = encoded(samples, model, tokenizer)
    wanted = padded_gradients(model, tokenizer, samples, rows)
    assert_same(packed_gradients(model, encoder, rows), wanted)


def test_an_llm_whose_attention_is_bent_gets_the_gradients_of_the_padded_batch() -> None:
    samples = Samples(7, pictures=False)
    _, tokenizer = language_model()
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "head_dim": 8}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "query_pre_attn_scalar": 8}
    bent = {"attn_logit_softcapping": 0.5, "sliding_window": 4, "initializer_range": 0.4}
    config = Gemma2Config(vocab_size=len(tokenizer), **sizes, **heads, **bent)
    config._attn_implementation = "eager"
    model = Gemma2ForCausalLM(config).eval()
    encoder, rows = encoded(samples, model, tokenizer)
    wanted = padded_gradients(model, tokenizer, samples, rows)
    assert_same(packed_gradients(model, encoder, rows), wanted)


def test_parts_of_a_step_add_up_to_the_whole_step() -> None:
    samples = Samples(12)
    model, processor = multimodal_model()
    set_trainable(model, ["connector", "llm"])
    encoder, rows = encoded(samples, model, processor)
    whole = packed_gradients(model, encoder, rows)
    tokens = sum(map(len, rows))
    for most, parts in ((None, 1), (tokens // 2 + 10, 2), (tokens // 4 + 12, 4)):
        assert len(divide([len(row) for row in rows], 1, most)[0]) == parts
        assert_same(packed_gradients(model, encoder, rows, most), whole)


@settings(deadline=None)
@given(
    lengths=st.lists(st.integers(1, 50), min_size=1, max_size=40),
    processes=st.integers(1, 5),
    most=st.none() | st.integers(1, 120),
)
def test_a_step_is_divided_evenly_and_nothing_is_lost(
    lengths: list[int], processes: int, most: int | None
) -> None:
    shares = divide(lengths, processes, most)
    assert len(shares) == processes
    assert len({len(parts) for parts in shares}) == 1  # every process has as many parts
    cells = [cell for parts in shares for cell in parts]
    assert sorted(place for cell in cells for place in cell) == list(range(len(lengths)))
    limit = max(most or sum(lengths), *lengths, 0)
    assert all(sum(lengths[place] for place in cell) <= limit for cell in cells)


@pytest.mark.parametrize("again", [False, True], ids=["kept", "computed again"])
def test_the_last_layer_computes_only_the_tokens_that_are_read(again: bool) -> None:
    samples = Samples(9)
    model, processor = multimodal_model()
    set_trainable(model, ["connector", "llm"])
    encoder, rows = encoded(samples, model, processor)
    wanted = padded_gradients(model, processor, samples, rows)
    batch, widths = shown(encoder, rows), []
    for layer in model.model.language_model.layers:
        for part in (layer.self_attn.q_proj, layer.self_attn.k_proj, layer.mlp.up_proj):
            part.register_forward_hook(lambda part, given, made: widths.append(made.shape[1]))
    with recompute_activations(model.train(), again):
        assert_same(packed_gradients(model, encoder, rows), wanted)
    few, whole = len(batch.sources), batch.input_ids.shape[1]
    assert few < whole and len(widths) == (12 if again else 6)
    assert widths[:6] == [whole, whole, whole, few, whole, few]
    with torch.no_grad():
        model(input_ids=batch.input_ids[:, -1:])
    assert widths[-6:] == [1] * 6, "nothing is left out elsewhere"


@pytest.mark.parametrize("whole_head", [True, False], ids=["at once", "computed again"])
def test_logits_a_part_at_a_time_give_the_same_gradients(
    whole_head: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = Samples(9)
    model, processor = multimodal_model()
    set_trainable(model, ["connector", "llm"])
    encoder, rows = encoded(samples, model, processor)
    whole = packed_gradients(model, encoder, rows)
    monkeypatch.setattr(packed, "CPU_LOGITS", 4 * model.lm_head.out_features)
    monkeypatch.setattr(packed, "_is_whole", lambda weight: whole_head)
    assert_same(packed_gradients(model, encoder, rows), whole)


@pytest.mark.parametrize("size", [1, 3, 7])
@pytest.mark.parametrize("learns", [True, False], ids=["learns", "frozen"])
def test_gradients_of_a_head_are_those_of_plain_logits(size: int, learns: bool) -> None:
    torch.manual_seed(0)
    states, weight = torch.randn(9, 5, requires_grad=True), torch.randn(11, 5, requires_grad=learns)
    targets = torch.tensor([0, 10, 3, 3, 5, 0, 9])  # the last two states fill up
    parameters = [each for each in (states, weight) if each.requires_grad]
    plain = F.cross_entropy(states[:7] @ weight.T, targets, reduction="sum")
    wanted = torch.autograd.grad(plain * 0.3, parameters)
    loss = packed.HeadLoss.apply(states, weight, targets, size)
    gradients = torch.autograd.grad(loss * 0.3, parameters)
    torch.testing.assert_close([loss, *gradients], [plain, *wanted])


def test_the_output_layer_gets_states_whose_number_recurs(monkeypatch: pytest.MonkeyPatch) -> None:
    model, processor = multimodal_model()
    encoder, rows = encoded(Samples(6), model, processor)
    batch, read = shown(encoder, rows), []
    inner = packed.HeadLoss.apply

    def note(states: Any, *others: Any) -> Any:
        read.append(len(states))
        return inner(states, *others)

    monkeypatch.setattr(packed.HeadLoss, "apply", note)
    with use_packed_attention(model):
        PackedModel(model, bf16=False)(batch)
    assert read == [len(batch.sources)] and len(batch.sources) > len(batch.targets)


def test_a_batch_that_does_not_count_touches_everything_and_changes_nothing() -> None:
    samples = Samples(6)
    model, processor = multimodal_model()
    set_trainable(model, ["connector", "llm"])
    rows = encoded(samples, model, processor)[1]
    text = collate([row for row in rows if not row.images], counted=False)
    with use_packed_attention(model):
        loss = PackedModel(model, bf16=False)(text)
        loss.backward()
    assert loss == 0
    found = [p.grad for p in model.parameters() if p.requires_grad]
    assert found
    assert all(gradient is not None and not gradient.any() for gradient in found)


def test_editing_one_sample_leaves_the_logits_of_the_others_as_they_were() -> None:
    samples = Samples(9)
    model, processor = multimodal_model()
    encoder, rows = encoded(samples, model, processor)
    edited = rows[0].input_ids.copy()
    words = np.flatnonzero(edited > 8)
    edited[words] = edited[words][::-1]
    rows[0].input_ids.setflags(write=True)

    def logits() -> tuple[list[str], Tensor]:
        batch = shown(encoder, rows)
        owners = [row.id for row in batch.samples for _ in row.supervised]
        with use_packed_attention(model), torch.no_grad():
            return owners, PackedModel(model, bf16=False).logits(batch)

    owners, before = logits()
    rows[0].input_ids[:] = edited
    after = logits()[1]
    others = torch.tensor([owner != rows[0].id for owner in owners])
    assert torch.equal(before[others], after[others])
    assert not torch.equal(before[~others], after[~others])


@pytest.mark.parametrize("window", [None, 3])
@pytest.mark.parametrize("lengths", [[5, 5], [7, 6, 2, 1], [1, 9, 3]])
def test_both_kernels_attend_to_each_sample_alone(lengths: list[int], window: int | None) -> None:
    torch.manual_seed(0)
    model, _ = language_model()
    layer = model.model.layers[0].self_attn
    total, layout = sum(lengths), pack_lengths(lengths)
    query, key, value = (torch.randn(1, heads, total, 8) for heads in (4, 2, 2))
    from ikusi.train.attention import attend

    found = attend(layer, query, key, value, None, packing=layout, sliding_window=window)[0]
    halves = query.bfloat16(), key.bfloat16(), value.bfloat16()  # padded in buckets, if need be
    half = attend(layer, *halves, None, packing=layout, sliding_window=window)[0]
    torch.testing.assert_close(half.float(), found, atol=3e-2, rtol=3e-2)
    start = 0
    for length in lengths:
        one = slice(start, start + length)
        alone = (query[:, :, one], key[:, :, one], value[:, :, one], 8**-0.5, 0.0, window)
        wanted = attend_fused(*alone).transpose(1, 2)
        torch.testing.assert_close(found[:, one], wanted)
        torch.testing.assert_close(attend_explicit(*alone).transpose(1, 2), wanted)
        start += length


def test_bf16_stays_near_fp32() -> None:
    samples = Samples(9)
    model, processor = multimodal_model()
    encoder, rows = encoded(samples, model, processor)
    batch = shown(encoder, rows)
    with use_packed_attention(model), torch.no_grad():
        exact = float(PackedModel(model, bf16=False)(batch))
        near = float(PackedModel(model, bf16=True)(batch))
    assert near == pytest.approx(exact, rel=0.01)
    assert near != exact


@pytest.mark.parametrize("epochs", [1.0, 2.5])
def test_the_rows_of_a_step_are_read_together_and_each_once(
    epochs: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples, read = Samples(), []
    encoder = Encoder(samples, *multimodal_model(), max_length=64)
    take = samples.take

    def note(indices: Any) -> Any:
        read.append(list(indices))
        return take(indices)

    monkeypatch.setattr(samples, "take", note)
    steps = Steps(samples, encoder, batch_size=5, epochs=epochs)
    ids = [sample.id for step in range(len(steps)) for sample in steps.samples(step)]
    order = [index for epoch in range(3) for index in samples.order(epoch)]
    assert ids == [f"row-{index}" for index in order[: steps.rows]]
    assert sorted(index for some in read for index in some) == list(range(len(samples)))
    assert [len(some) for some in read[:3]] == [5, 5, 2]
    assert len(steps._encoded) == (len(samples) if epochs > 1 else 0)
