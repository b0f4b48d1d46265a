"""An export answers in llama.cpp as the LLaVA itself does, about text and pictures."""

import base64
import io
import json
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
import xllamacpp
from PIL import Image
from torch.nn import functional
from transformers import CLIPVisionConfig, LlavaConfig, Qwen2Config, SiglipVisionConfig

from ikusi import connectors
from ikusi.errors import InputError
from ikusi.model import chat, fusion
from ikusi.publish import mmproj
from ikusi.publish.export import CONVERTER, LLM_FILE, MMPROJ_FILE, export
from model.families import tokenizer
from model.pairs import TOWER, llm, tower

LLAMA_CPP = Path(__file__).parent / "llama_cpp"
QUESTION = "What is this?\nA cat, and 3 dogs."
TOKENS = 8


def saved(
    folder: Path,
    vision: Any = SiglipVisionConfig,
    connector: str = "linear",
    dtype: torch.dtype = torch.float32,
    **settings: Any,
) -> Path:
    """A LLaVA whose logits are far apart, and hang on the picture."""
    words = tokenizer("chatml")
    backbone = llm(Qwen2Config, len(words), initializer_range=0.3).to(dtype)
    fusion.save(backbone, words, folder / "backbone")
    encoder = tower(vision)
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.2)
    model, processor = fusion.assemble(
        encoder, folder / "backbone", connector=connector, aspect="pad", **settings
    )
    with torch.no_grad():
        for parameter in fusion.list_connector_parameters(model):
            parameter.add_(torch.randn_like(parameter), alpha=0.2)
    fusion.save(model, processor, folder / "llava")
    return folder / "llava"


def picture() -> Image.Image:
    blocks = np.random.default_rng(0).integers(0, 255, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(blocks).resize((32, 32), Image.Resampling.NEAREST)


@contextmanager
def llama_server(folder: Path, context: int = 512) -> Iterator[str]:
    """llama.cpp's server with both files; its address."""
    params = xllamacpp.CommonParams()
    params.model.path, params.mmproj.path = str(folder / LLM_FILE), str(folder / MMPROJ_FILE)
    params.n_ctx, params.n_parallel, params.port = context, 1, 0
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.use_jinja, params.warmup, params.verbosity = True, False, 0
    server = xllamacpp.Server(params)
    yield server.listening_address
    del server


def post(url: str, body: dict[str, Any]) -> dict[str, Any]:
    data = json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as response:
        told: dict[str, Any] = json.load(response)
    return told


def served(url: str, shown: Image.Image | None) -> dict[str, Any]:
    """llama.cpp's greedy answer to the question, with its prompt and its log-probabilities."""
    content: list[dict[str, Any]] = [{"type": "text", "text": QUESTION}]
    data = []
    if shown is not None:
        file = io.BytesIO()
        shown.save(file, "PNG")
        data = [base64.b64encode(file.getvalue()).decode()]
        link = {"url": f"data:image/png;base64,{data[0]}"}
        content.insert(0, {"type": "image_url", "image_url": link})
    talk = {"messages": [{"role": "user", "content": content}]}
    prompt = post(f"{url}/apply-template", talk)["prompt"]
    asked = {"n_predict": TOKENS, "temperature": 0, "n_probs": 10, "return_tokens": True}
    given = {"prompt_string": prompt, "multimodal_data": data} if data else prompt
    return post(f"{url}/completion", asked | {"prompt": given})


def prompt_and_pixels(processor: Any, features: int, shown: Image.Image | None) -> tuple[Any, Any]:
    parts: list[Any] = [{"type": "text", "text": QUESTION}]
    pixels = None
    if shown is not None:
        parts.insert(0, {"type": "image"})
        pixels = processor.image_processor(images=[shown], return_tensors="pt").pixel_values
    words = processor.tokenizer
    image = words.convert_tokens_to_ids(processor.image_token)
    asked = [{"role": "user", "content": parts}]
    return chat.encode_prompt(words, asked, features, image), pixels


def expect_same(url: str, llava: Path, shown: Image.Image | None, within: float) -> None:
    """The same prompt, and at every token of llama.cpp's answer the same log-probabilities."""
    told = served(url, shown)
    model, processor = fusion.load(llava, dtype=torch.float32)
    features = fusion.count_image_tokens(model, processor)
    prompt, pixels = prompt_and_pixels(processor, features, shown)
    answer = told["tokens"]
    assert told["tokens_evaluated"] == len(prompt)
    assert len(answer) == TOKENS
    with torch.no_grad():
        logits = model(torch.tensor([prompt + answer[:-1]]), pixel_values=pixels).logits[0]
    own = logits[len(prompt) - 1 :].log_softmax(-1)  # [TOKENS, V]
    for step, token in enumerate(answer):
        assert own[step].max() - own[step, token] < within
    step = 0
    # Tokens that end within a character are told together with the next.
    for token in told["completion_probabilities"]:
        step += answer[step:].index(token["id"])
        for choice in token["top_logprobs"]:
            assert choice["logprob"] == pytest.approx(own[step, choice["id"]].item(), abs=within)
        step += 1
    assert step > 0


@pytest.mark.slow
@pytest.mark.parametrize("connector", connectors.REGISTRY.names())
def test_llama_cpp_says_what_the_llava_says(connector: str, tmp_path: Path) -> None:
    llava = saved(tmp_path, connector=connector)
    export(llava, "gguf", tmp_path / "gguf", LLAMA_CPP)
    with llama_server(tmp_path / "gguf") as url:
        expect_same(url, llava, None, 0.01)
        expect_same(url, llava, picture(), 0.05)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_kept(dtype: torch.dtype, tmp_path: Path) -> None:
    llava = saved(tmp_path, dtype=dtype)
    export(llava, "gguf", tmp_path / "gguf", LLAMA_CPP)
    kind = {torch.float16: "F16", torch.bfloat16: "BF16"}[dtype]
    for file in (LLM_FILE, MMPROJ_FILE):
        tensors = gguf.GGUFReader(tmp_path / "gguf" / file).tensors
        assert {t.tensor_type.name for t in tensors} == {kind, "F32"}
    with llama_server(tmp_path / "gguf") as url:
        expect_same(url, llava, picture(), 0.3)


@pytest.mark.slow
@pytest.mark.parametrize("feature_layer", [1, -1])
def test_any_layer_of_the_encoder_may_be_read(feature_layer: int, tmp_path: Path) -> None:
    llava = saved(tmp_path, feature_layer=feature_layer)
    export(llava, "gguf", tmp_path / "gguf", LLAMA_CPP)
    with llama_server(tmp_path / "gguf") as url:
        expect_same(url, llava, picture(), 0.05)


@pytest.mark.slow
@pytest.mark.parametrize("connector", connectors.REGISTRY.names())
@pytest.mark.parametrize("vision", [CLIPVisionConfig, SiglipVisionConfig])
def test_the_file_holds_encoder_and_connector(vision: Any, connector: str, tmp_path: Path) -> None:
    """As llama.cpp is documented to read it; its builds misplace CLIP's class token."""
    model, processor = fusion.load(saved(tmp_path, vision, connector))
    mmproj.write(model, processor, tmp_path / "mmproj.gguf", "tiny")
    file = gguf.GGUFReader(tmp_path / "mmproj.gguf")
    tensors = {t.name: torch.tensor(t.data.copy()) for t in file.tensors}
    known: dict[str, Any] = {key: field.contents() for key, field in file.fields.items()}
    assert known["clip.vision.feature_layer"] == [2] and known["clip.vision.block_count"] == 2
    assert known.get("clip.use_gelu", False) == (vision is SiglipVisionConfig)

    encoder = type(model.model.vision_tower)(vision(**{**TOWER, "num_hidden_layers": 2}))
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.MMPROJ, 2)
    state = encoder.state_dict()
    for key in state:
        name = names.get_name(f"vision_tower.vision_model.{key}", (".weight", ".bias"))
        state[key] = tensors.get(str(name), state[key])
    encoder.load_state_dict(state)
    pixels = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        read = encoder.eval()(pixels, output_hidden_states=True).hidden_states[-1]
        read = read[:, int(vision is CLIPVisionConfig) :]
        features = fusion.compute_image_features(model, pixels)
        torch.testing.assert_close(read, features)
        hidden = functional.linear(read, tensors["mm.0.weight"], tensors["mm.0.bias"])
        told = functional.linear(
            functional.gelu(hidden), tensors["mm.2.weight"], tensors["mm.2.bias"]
        )
        torch.testing.assert_close(told, fusion.project(model, features), rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_where_llama_cpp_sees_otherwise_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    export(saved(tmp_path / "siglip"), "gguf", tmp_path / "a", LLAMA_CPP)
    assert not caplog.messages
    llava = saved(tmp_path / "clip", CLIPVisionConfig)
    model, processor = fusion.load(llava)
    processor.image_processor.do_pad = False
    fusion.save(model, processor, llava)
    export(llava, "gguf", tmp_path / "b", LLAMA_CPP)
    assert ["class token" in caplog.messages[0], "pads pictures" in caplog.messages[1]] == [
        True
    ] * 2


@pytest.mark.slow
def test_the_converter_is_found_on_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    llava = saved(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"^PATH: expected llama.cpp's convert_hf_to_gguf.py"):
        export(llava, "gguf", tmp_path / "gguf")
    with pytest.raises(InputError, match=f"^{tmp_path}: expected llama.cpp's .* git clone"):
        export(llava, "gguf", tmp_path / "gguf", tmp_path)
    script = (LLAMA_CPP / CONVERTER).read_text(encoding="utf-8")
    (tmp_path / CONVERTER).write_text(f"#!{sys.executable}\n{script}", encoding="utf-8")
    (tmp_path / CONVERTER).chmod(0o755)
    export(llava, "gguf", tmp_path / "gguf")
    reader = gguf.GGUFReader(tmp_path / "gguf" / LLM_FILE)
    assert reader.fields["general.architecture"].contents() == "qwen2"
    names = {path.name for path in (tmp_path / "gguf").iterdir()}
    assert names == {LLM_FILE, MMPROJ_FILE, "manifest.json"}


@pytest.mark.slow
def test_what_the_converter_says_is_told_in_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    model, processor = fusion.assemble(tower(), llm(), tokenizer("plain"))
    fusion.save(model, processor, tmp_path / "llava")
    with pytest.raises(InputError, match=r"found: .*LlamaForCausalLM is not supported$"):
        export(tmp_path / "llava", "gguf", tmp_path / "gguf", LLAMA_CPP)
    assert {path.name for path in tmp_path.iterdir()} == {"llava"}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"projector_hidden_act": "relu"}, "activation of the connector: .*found 'relu'"),
        ({"vision_feature_select_strategy": "full"}, "expects one of default, found 'full'"),
        ({"vision_feature_layer": [-1, -2]}, r"expected layers in order, found \[3, 2\]"),
        ({"vision_config": {"model_type": "pixtral"}}, "vision encoder: .*found 'pixtral'"),
        (
            {"vision_config": {"model_type": "clip_vision_model", "hidden_act": "relu"}},
            "activation of the vision encoder: .*found 'relu'",
        ),
        (
            {
                "vision_config": {
                    **TOWER,
                    "intermediate_size": 32,
                    "model_type": "clip_vision_model",
                }
            },
            "expected an intermediate size that is not its hidden size",
        ),
    ],
)
def test_what_llama_cpp_would_compute_otherwise_is_refused(
    changes: dict[str, Any], told: str
) -> None:
    given = {"vision_config": {**TOWER, "model_type": "clip_vision_model"}, **changes}
    with pytest.raises(InputError, match=told):
        mmproj.check(LlavaConfig(**given))
