"""Adapters on the LLM beside a full connector: what learns, what is written, what is merged."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import LlavaForConditionalGeneration

from ikusi.errors import InputError
from ikusi.train.stages import Summary, train_stage
from train.samples import Samples, multimodal_model, stage


def trained(output: Path, **changes: Any) -> tuple[Any, Any, Summary]:
    model, processor = multimodal_model()
    start = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    settings = stage(lora={"rank": 4, "alpha": 8, "dropout": 0.1, **changes}, epochs=4)
    summary = train_stage(model, processor, Samples(), settings, output=output, seed=0)
    return model, start, summary


@pytest.mark.slow
def test_the_checkpoint_has_the_adapters_merged_as_peft_merges_them(tmp_path: Path) -> None:
    from peft import PeftModel  # loads much, for this test alone

    _, start, _ = trained(tmp_path)
    stock: Any = LlavaForConditionalGeneration
    merged = stock.from_pretrained(tmp_path / "checkpoint").eval()
    aligned, _ = multimodal_model()
    aligned.load_state_dict(start)
    connector = load_file(tmp_path / "adapter" / "connector.safetensors")
    missing = aligned.load_state_dict(connector, strict=False)
    assert not missing.unexpected_keys
    adapted: Any = PeftModel.from_pretrained(aligned, str(tmp_path / "adapter")).eval()
    ids = torch.tensor([[6, 7, 8, 9, 10]])
    with torch.no_grad():
        wanted = adapted(input_ids=ids).logits
        torch.testing.assert_close(merged(ids).logits, wanted, atol=1e-4, rtol=1e-4)
    theirs = adapted.merge_and_unload().state_dict()
    for name, tensor in merged.state_dict().items():
        torch.testing.assert_close(tensor, theirs[name], atol=1e-5, rtol=1e-5, msg=name)
    llm = "model.language_model.layers.0.self_attn.q_proj.weight"
    assert not torch.equal(merged.state_dict()[llm], start[llm])


@pytest.mark.slow
def test_weights_do_not_depend_on_what_ran_before_in_the_process(tmp_path: Path) -> None:
    ended = []
    for drawn in (1, 2):
        model, processor = multimodal_model()
        torch.manual_seed(drawn)  # as after other work
        settings = stage(lora={"rank": 2, "alpha": 4}, epochs=1)
        output = tmp_path / str(drawn)
        train_stage(model, processor, Samples(), settings, output=output, seed=0)
        ended.append(load_file(output / "checkpoint" / "model.safetensors"))
    assert all(torch.equal(tensor, ended[1][name]) for name, tensor in ended[0].items())


@pytest.mark.slow
def test_adapters_and_connector_learn_and_nothing_else(tmp_path: Path) -> None:
    model, start, summary = trained(tmp_path, targets=["q_proj", "v_proj"])
    learning = {name for name, p in model.named_parameters() if p.requires_grad}
    assert {
        name.split(".lora_")[0].rpartition(".")[2] for name in learning if ".lora_" in name
    } == {
        "q_proj",
        "v_proj",
    }
    assert not [name for name in learning if "vision_tower" in name]
    rest = {name for name in learning if ".lora_" not in name}
    assert rest == {f"model.multi_modal_projector.linear_1.{n}" for n in ("weight", "bias")}
    assert summary["trained"] == sum(p.numel() for p in model.parameters() if p.requires_grad)
    stock: Any = LlavaForConditionalGeneration
    end = stock.from_pretrained(tmp_path / "checkpoint").state_dict()
    for name in ("k_proj", "o_proj"):
        kept = f"model.language_model.layers.0.self_attn.{name}.weight"
        assert torch.equal(end[kept], start[kept])


@pytest.mark.slow
def test_four_bit_weights_merge_into_what_they_were(tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    _, start, _ = trained(tmp_path, quantize="nf4")
    stock: Any = LlavaForConditionalGeneration
    merged = stock.from_pretrained(tmp_path / "checkpoint").state_dict()
    name = "model.language_model.layers.0.mlp.up_proj.weight"
    change = merged[name] - start[name]
    # A rounded weight would differ everywhere and by any rank; a merged adapter has rank 4.
    assert torch.linalg.matrix_rank(change, rtol=1e-3) == 4


def test_a_layer_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"lora\.targets: expected names among .*, found q_prj"):
        trained(tmp_path, targets=["q_prj"])


@pytest.mark.slow
def test_eight_bit_moments_train(tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    model, processor = multimodal_model()
    settings = stage(optimizer="adamw8bit", epochs=8)
    train_stage(model, processor, Samples(), settings, output=tmp_path, seed=0)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["loss"] < 0.5 * lines[0]["loss"]


@pytest.mark.slow
def test_any_part_gets_adapters_where_something_depends_on_it(tmp_path: Path) -> None:
    model, processor = multimodal_model()
    start = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    settings = stage(
        trainable=["connector", "llm", "vision"],
        lora={"rank": 2, "alpha": 4, "parts": ["vision"], "targets": ["q_proj"]},
        epochs=1,
    )
    train_stage(model, processor, Samples(), settings, output=tmp_path, seed=0)
    adapted = {name.split(".lora_")[0] for name, _ in model.named_parameters() if "lora_" in name}
    assert [name.partition("layers.")[2] for name in sorted(adapted)] == ["0.self_attn.q_proj"]
    assert all("vision_tower" in name for name in adapted)
    stock: Any = LlavaForConditionalGeneration
    end = stock.from_pretrained(tmp_path / "checkpoint").state_dict()
    moved = {name for name, tensor in start.items() if not torch.equal(tensor, end[name])}
    (seen,) = (name for name in moved if "vision_tower" in name)
    assert seen.endswith("layers.0.self_attn.q_proj.weight")
    assert any("language_model" in name for name in moved)
