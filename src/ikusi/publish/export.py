"""A trained LLaVA for other programs: its LLM alone, or files for llama.cpp.

The checkpoint itself is a stock LLaVA, so what serves LLaVA needs no export. What knows only LLMs
(lm-eval, text servers) gets the language model as a plain causal LM; llama.cpp gets two GGUF files,
the LLM by its own converter and what sees by `ikusi.publish.mmproj`.
"""

from __future__ import annotations

import logging
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from ikusi import artifact, catalogue, claim, content, pretrained, processes
from ikusi.errors import InputError
from ikusi.model import fusion, hub
from ikusi.model.chat import encode_prompt, render
from ikusi.model.rendering import accepts_strings
from ikusi.model.tokens import with_media_lines, with_text_parts, without_image_parts
from ikusi.publish import mmproj

logger = logging.getLogger(__name__)

KIND = "export"
CONVERTER = "convert_hf_to_gguf.py"
REPOSITORY = "https://github.com/ggml-org/llama.cpp"
PROBE = [{"role": "user", "content": "Ikusi, see? 3 dogs\n ñ."}]
OF_THE_PROCESSOR = ("processor_class", "backend", "is_local", "local_files_only")
OPENINGS = ("", "{{- bos_token -}}", "{{- bos_token + ' ' -}}")
"""What a template may lack at its beginning: SentencePiece puts a space before a text."""

Form = Literal["llm", "gguf"]
FORMS: tuple[Form, ...] = get_args(Form)

LLM_FILE, MMPROJ_FILE = "llm.gguf", "mmproj.gguf"


def export(checkpoint: Path, to: Form, output: Path, llama_cpp: Path | None = None) -> None:
    """Write a LLaVA's language model (`llm`) or llama.cpp's files (`gguf`) to `output`.

    `output` is new or empty; it is written aside and then renamed.
    `llama_cpp`: the folder of llama.cpp, where its converter is; else that is looked for on the
    PATH. All weights keep the checkpoint's dtype, and stay mapped from their files rather than read
    into memory.

    Raises InputError where `output` holds anything else, `checkpoint` is no LLaVA or not one that
    the target can compute, or the converter is missing or fails.
    """
    if output.is_dir() and any(output.iterdir()):
        raise InputError(f"{output}: expected a new or empty folder, found something in it")
    claim.expect_whole(output, KIND, [checkpoint])
    write = prepare(checkpoint, [to], llama_cpp)[to]
    origin, settings = {"checkpoint": content.hash_folder(hub.find_folder(checkpoint))}, {"to": to}
    name = artifact.fingerprint("export", origin, settings)
    with artifact.write_folder(
        output, fingerprint=name, kind=KIND, inputs=origin, settings=settings, reads=[checkpoint]
    ) as staging:
        write(staging, output.name)


def prepare(
    checkpoint: Path, to: Sequence[str], llama_cpp: Path | None = None
) -> dict[str, Callable[[Path, str], None]]:
    """Make sure that all these forms can be written, before anything is.

    Returns:
        Form -> what writes it into a folder that is there, under a name that llama.cpp shows.

    Raises:
        InputError: as `export` does.
    """
    for form in to:
        if form not in FORMS:
            raise catalogue.make_unknown_error("with", form, FORMS)
    if not to:
        return {}
    converter = _converter(llama_cpp) if "gguf" in to else []
    model, processor = fusion.load(checkpoint)
    if "gguf" in to:
        mmproj.check(model.config)

    def write_llm(folder: Path, name: str) -> None:
        _save_llm(model, make_text_tokenizer(processor), folder)

    def write_gguf(folder: Path, name: str) -> None:
        _to_gguf(model, processor, folder, name, converter)

    known: dict[str, Callable[[Path, str], None]] = {"llm": write_llm, "gguf": write_gguf}
    return {form: known[form] for form in to}


def take_language_model(model: LlavaForConditionalGeneration) -> PreTrainedModel:
    """The LLM inside a LLaVA as the causal LM it is; its weights are shared, not copied.

    Raises InputError where that LLM by itself would compute other logits than inside the LLaVA.
    """
    config = deepcopy(model.config.text_config)
    config.tie_word_embeddings = model.config.tie_word_embeddings
    with torch.device("meta"):
        llm: Any = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    setattr(llm, llm.base_model_prefix, model.model.language_model)
    llm.set_output_embeddings(model.lm_head)
    llm.generation_config = deepcopy(model.generation_config)
    fusion.check_same_logits(model.eval(), llm.eval())
    alone: PreTrainedModel = llm
    return alone


def make_text_tokenizer(processor: LlavaProcessor) -> PreTrainedTokenizerBase:
    """The LLaVA's tokenizer with a chat template for text, which gives the LLaVA's own tokens.

    That is the LLM's own template where it was changed to write images; else the checkpoint's, made
    to take contents as strings too. Where it writes no BOS, which a LLaVA's processor would put
    before the text but programs for LLMs do not, it is made to. Raises InputError where the tokens
    come out differently all the same.
    """
    tokenizer: Any = deepcopy(processor.tokenizer)
    tokenizer._set_processor_class(None)
    for name in OF_THE_PROCESSOR:
        tokenizer.init_kwargs.pop(name, None)
    template = without_image_parts(str(tokenizer.chat_template), processor.image_token)
    tokenizer.chat_template = template
    if not accepts_strings(tokenizer):
        template = with_text_parts(template)
    wanted = encode_prompt(processor.tokenizer, PROBE)
    for opening in OPENINGS:
        tokenizer.chat_template = opening + template
        if _encode_asked(tokenizer) == wanted:
            made: PreTrainedTokenizerBase = tokenizer
            return made
    raise InputError("chat template: expected text as the LLaVA is given it, found other tokens")


def _encode_asked(tokenizer: Any) -> list[int]:
    """Ids of the tokens that transformers alone makes of the conversation `PROBE`."""
    ids: list[int] = tokenizer.apply_chat_template(
        PROBE, add_generation_prompt=True, return_dict=False
    )
    return ids


def _save_llm(
    model: LlavaForConditionalGeneration, tokenizer: PreTrainedTokenizerBase, folder: Path
) -> None:
    """Write LLM and tokenizer, and make sure that transformers reads the tokenizer as it was: for
    some kinds of LLM it takes the kind's usual splitting of words, whatever the file says."""
    llm = take_language_model(model)
    fusion.save(llm, tokenizer, folder)
    opened: Any = pretrained.load(AutoTokenizer, folder)
    if _encode_asked(opened) != _encode_asked(tokenizer):
        raise InputError(
            f"tokenizer: expected the one usual for {llm.config.model_type}, which transformers "
            f"opens beside such an LLM, found one that splits text differently"
        )


def _to_gguf(
    model: LlavaForConditionalGeneration,
    processor: LlavaProcessor,
    folder: Path,
    name: str,
    converter: list[str],
) -> None:
    for caveat in _caveats(model.config, processor):
        logger.warning("llama.cpp %s", caveat)
    mmproj.write(model, processor, folder / MMPROJ_FILE, name)
    tokenizer = make_text_tokenizer(processor)
    tokenizer.chat_template = _for_llama_cpp(processor, tokenizer)
    with tempfile.TemporaryDirectory(dir=folder) as aside:
        llm = Path(aside) / name  # after which the converter names what it writes
        _save_llm(model, tokenizer, llm)
        _convert(converter, llm, folder / LLM_FILE, mmproj.NUMBERS[model.dtype].lower())


def _caveats(config: LlavaConfig, processor: LlavaProcessor) -> Iterator[str]:
    """Yield the ways in which llama.cpp itself will not see pictures as the LLaVA does."""
    if mmproj.has_class_token(config):
        yield (
            "puts the class token of a CLIP encoder in the wrong place, so pictures reach the LLM "
            f"askew; until {REPOSITORY}/pull/25844 is in your build, answers about them suffer"
        )
    if not getattr(processor.image_processor, "do_pad", False):
        yield (
            "pads pictures that are not square, while this model learnt from cut or squashed ones "
            "(image_aspect: pad in a recipe trains it as llama.cpp will use it)"
        )


def _for_llama_cpp(processor: LlavaProcessor, tokenizer: PreTrainedTokenizerBase) -> str:
    """The template of the LLM's file. llama.cpp puts its own mark of an image right before the
    text; where training had a line break between the two, the template adds it."""
    template = str(tokenizer.chat_template)
    parts = [{"type": "image"}, {"type": "text", "text": "ikusi"}]
    shown = render(processor.tokenizer, [{"role": "user", "content": parts}])
    return with_media_lines(template) if f"{processor.image_token}\nikusi" in shown else template


def _converter(llama_cpp: Path | None) -> list[str]:
    """The command that runs llama.cpp's converter."""
    if llama_cpp is not None and (llama_cpp / CONVERTER).is_file():
        return [sys.executable, str(llama_cpp / CONVERTER)]
    on_path = None if llama_cpp else shutil.which(CONVERTER)
    if on_path is None:
        raise InputError(
            f"{llama_cpp or 'PATH'}: expected llama.cpp's {CONVERTER}, found none; "
            f"git clone --depth 1 {REPOSITORY} brings it, --llama-cpp llama.cpp finds it"
        )
    return [on_path]


def _convert(converter: list[str], folder: Path, file: Path, numbers: str) -> None:
    command = [*converter, str(folder), "--outfile", str(file), "--outtype", numbers]
    done = processes.run(command)
    if done.returncode or not file.is_file():
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise InputError(
            f"{CONVERTER}: expected a converted LLM, found: {lines[-1] if lines else 'nothing'}"
        )
