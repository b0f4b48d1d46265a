"""Code that uses a released model elsewhere; it stands on the card, and tests run it."""

from __future__ import annotations

import json
from textwrap import dedent

PICTURE = "picture.jpg"
LONGEST = 128
"""New tokens of an answer in the snippets."""

VLLM_ACTIVATION = "torch.nn.modules.linear.Identity"
"""vLLM's name of the activation that transformers calls linear."""


def write_usage(name: str, question: str, *, linear: bool, has_llm: bool, has_gguf: bool) -> str:
    """The section on use: transformers, vLLM, llama.cpp.

    Args:
        name: of the model on the hub, or of its folder.
        question: to ask about a picture, in the target language.
        linear: whether the connector is one linear layer, for which vLLM needs a word.
        has_llm: whether the LLM alone lies beside the model.
        has_gguf: whether llama.cpp's files do.
    """
    parts = [
        f"`{name}` is a name on the hub or the path of a folder; `{PICTURE}` is your picture.",
        f"With transformers:\n\n{_fence('python', _transformers(name, question))}",
        f"With vLLM:\n\n{_fence('python', _vllm(name, question, linear))}",
        "vLLM's server takes the same:\n\n" + _fence("sh", _serve(name, linear)),
    ]
    if has_gguf:
        parts.append(
            "With llama.cpp, from the two files in `gguf/`:\n\n"
            + _fence("sh", "llama-server -m gguf/llm.gguf --mmproj gguf/mmproj.gguf --jinja")
        )
    else:
        made = f"ikusi export {name} --to gguf --output gguf --llama-cpp llama.cpp"
        parts.append(f"llama.cpp needs two files, made by Ikusi:\n\n{_fence('sh', made)}")
    parts.append(
        "Either server is then asked so (vLLM's stands at port 8000, llama.cpp's at 8080):\n\n"
        + _fence("python", _ask_server(name, question))
    )
    asked = f"ikusi chat {name} --image {PICTURE} --question {_text(question)}"
    parts.append(f"Or with Ikusi, in a terminal:\n\n{_fence('sh', asked)}")
    parts.append(f"Or in a browser:\n\n{_fence('sh', f'ikusi chat {name} --web')}")
    if has_llm:
        parts.append(
            "The LLM alone, for texts without pictures, is in `llm/`:\n\n"
            + _fence("python", _llm_alone(name, question))
        )
    return "\n\n".join(parts)


def _fence(language: str, code: str) -> str:
    return f"```{language}\n{dedent(code).strip()}\n```"


def _text(value: str) -> str:
    """A text as Python and shells alike read it."""
    return json.dumps(value, ensure_ascii=False)


def _transformers(name: str, question: str) -> str:
    return f"""
        from PIL import Image
        from transformers import AutoModelForImageTextToText, AutoProcessor

        name = {_text(name)}
        processor = AutoProcessor.from_pretrained(name)
        model = AutoModelForImageTextToText.from_pretrained(name, dtype="auto")

        image = Image.open({_text(PICTURE)}).convert("RGB")
        parts = [{{"type": "image", "image": image}}, {{"type": "text", "text": {_text(question)}}}]
        inputs = processor.apply_chat_template(
            [{{"role": "user", "content": parts}}],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
        ).to(model.device, model.dtype)
        output = model.generate(**inputs, max_new_tokens={LONGEST}, do_sample=False)
        answer = output[0, inputs["input_ids"].shape[1] :]
        print(processor.decode(answer, skip_special_tokens=True))
    """


def _vllm(name: str, question: str, linear: bool) -> str:
    given = 'name, limit_mm_per_prompt={"image": 1}'
    if linear:
        given = f"""
            name,
            limit_mm_per_prompt={{"image": 1}},
            hf_overrides={{"projector_hidden_act": "{VLLM_ACTIVATION}"}},
        """
    return f"""
        from PIL import Image
        from transformers import AutoTokenizer
        from vllm import LLM, SamplingParams

        name = {_text(name)}
        tokenizer = AutoTokenizer.from_pretrained(name)
        parts = [{{"type": "image"}}, {{"type": "text", "text": {_text(question)}}}]
        tokens = tokenizer.apply_chat_template(
            [{{"role": "user", "content": parts}}], add_generation_prompt=True, return_dict=False
        )
        image = Image.open({_text(PICTURE)}).convert("RGB")
        asked = {{"prompt_token_ids": tokens, "multi_modal_data": {{"image": [image]}}}}

        llm = LLM({given})
        sampling = SamplingParams(temperature=0, max_tokens={LONGEST})
        answer = llm.generate([asked], [sampling], use_tqdm=False)[0].outputs[0]
        print(tokenizer.decode(answer.token_ids, skip_special_tokens=True))
    """


def _serve(name: str, linear: bool) -> str:
    override = f""" --hf-overrides '{{"projector_hidden_act": "{VLLM_ACTIVATION}"}}'"""
    return f"vllm serve {name}" + (override if linear else "")


def _ask_server(name: str, question: str) -> str:
    return f"""
        import base64
        from pathlib import Path

        from openai import OpenAI

        client = OpenAI(base_url="http://localhost:8080/v1", api_key="none")
        held = base64.b64encode(Path({_text(PICTURE)}).read_bytes()).decode()
        parts = [
            {{"type": "image_url", "image_url": {{"url": f"data:image/jpeg;base64,{{held}}"}}}},
            {{"type": "text", "text": {_text(question)}}},
        ]
        answer = client.chat.completions.create(
            model={_text(name)},
            messages=[{{"role": "user", "content": parts}}],
            temperature=0,
            max_tokens={LONGEST},
        )
        print(answer.choices[0].message.content)
    """


def _llm_alone(name: str, question: str) -> str:
    return f"""
        from transformers import AutoModelForCausalLM, AutoTokenizer

        name = {_text(name)}
        tokenizer = AutoTokenizer.from_pretrained(name, subfolder="llm")
        llm = AutoModelForCausalLM.from_pretrained(name, subfolder="llm", dtype="auto")
        inputs = tokenizer.apply_chat_template(
            [{{"role": "user", "content": {_text(question)}}}],
            add_generation_prompt=True,
            return_dict=True,
            return_tensors="pt",
        )
        output = llm.generate(**inputs, max_new_tokens={LONGEST}, do_sample=False)
        print(tokenizer.decode(output[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))
    """
