"""Questions a second by an 8B LLaVA on a GPU, beside a plain loop over transformers.

    python bench/evaluate_gpu.py [--questions 256] [--device cuda] [--shape 8b]

Llama-3.1-8B and CLIP-L/336 by shape, random weights, bf16: a question of four options about a
picture of 576 tokens, in two languages, through the engine that `ikusi evaluate` uses; and the
same by one forward pass of transformers for each option, as a plain loop does it. `--shape tiny
--device cpu` runs the same in seconds anywhere, to see that it does.
"""

import argparse
import platform
import time
from typing import Any

import torch
from PIL import Image
from transformers import (
    AutoTokenizer,
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    CLIPVisionModel,
    LlamaConfig,
    LlamaForCausalLM,
)

from ikusi import artifact
from ikusi.answer.engine import Query, Reply
from ikusi.answer.engines.local import Local
from ikusi.miniature.bases import shipped
from ikusi.model import chat, fusion

SHAPES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "8b": (
        {
            "hidden_size": 1024,
            "intermediate_size": 4096,
            "num_hidden_layers": 24,
            "num_attention_heads": 16,
            "image_size": 336,
            "patch_size": 14,
        },
        {
            "hidden_size": 4096,
            "intermediate_size": 14336,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "vocab_size": 128256,
        },
    ),
    "tiny": (
        {
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": 336,
            "patch_size": 14,
        },
        {
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "vocab_size": 4096,
        },
    ),
}
OPTIONS = ("a dog on the left", "two red cars", "an old house", "a boat at sea")
WORDINGS = ("What is there near number {}?", "Zer dago {} zenbakiaren ondoan?")


def opened(shape: str, device: str, batch_size: int) -> Local:
    """A LLaVA of random weights, made on the device."""
    vision, text = SHAPES[shape]
    dtype = torch.bfloat16 if device.startswith("cuda") else torch.float32
    words = AutoTokenizer.from_pretrained(shipped.find_model("miniature/llama-en"))
    torch.manual_seed(0)
    torch.set_default_dtype(dtype)
    with torch.device(device):
        tower = CLIPVisionModel(CLIPVisionConfig(**vision))
        special = {"eos_token_id": words.eos_token_id, "pad_token_id": words.pad_token_id}
        llm = LlamaForCausalLM(LlamaConfig(**text, bos_token_id=None, **special))
    torch.set_default_dtype(torch.float32)
    side = {"shortest_edge": vision["image_size"]}
    processor = CLIPImageProcessorPil(size=side, crop_size=vision["image_size"])
    model, whole = fusion.assemble(tower, llm, words, image_processor=processor)
    return Local(model.to(device, dtype), whole.tokenizer, whole, name=shape, batch_size=batch_size)


def questions(count: int) -> tuple[list[Query], dict[str, Image.Image]]:
    """Two wordings of a question about each picture, in the order of pictures."""
    pictures = {
        str(n): Image.effect_noise((640, 480), 40 + n % 60).convert("RGB")
        for n in range((count + 1) // 2)
    }
    queries = []
    for number in range(count):
        key = str(number // 2)
        text = {"type": "text", "text": WORDINGS[number % 2].format(key)}
        turn = {"role": "user", "content": [{"type": "image", "key": key}, text]}
        queries.append(Query(f"row {number}", (turn,), OPTIONS))
    return queries, pictures


def ours(engine: Local, asked: list[Query], pictures: dict[str, Image.Image]) -> list[Reply]:
    """Answer as `ikusi evaluate` does, a part at a time."""
    replies: list[Reply] = []
    size = 2 * engine.batch_size
    for start in range(0, len(asked), size):
        part = asked[start : start + size]
        keys = {key for query in part for key in query.pictures}
        ready = engine.prepare({key: pictures[key] for key in sorted(keys, key=int)})
        replies += engine.answer(part, ready)
    return replies


@torch.inference_mode()
def plain(engine: Local, asked: list[Query], pictures: dict[str, Image.Image]) -> list[list[float]]:
    """One forward pass for each option: prompt, picture and option each time."""
    model: Any = engine.model
    images = fusion.count_image_tokens(model, engine.processor)
    token = model.config.image_token_id
    results = []
    for query in asked:
        scores = []
        for option in query.options:
            pixels = engine.prepare({"0": pictures[query.pictures[0]]})["0"][None]
            answer = {"role": "assistant", "content": [{"type": "text", "text": option}]}
            whole = chat.encode(engine.tokenizer, [*query.messages, answer], images, token)
            ids = torch.tensor([whole.input_ids], device=model.device)
            pixels = pixels.to(model.device, model.dtype)
            logs = model(input_ids=ids, pixel_values=pixels).logits[0].float().log_softmax(-1)
            learnt = [n for n, supervised in enumerate(whole.supervised) if supervised]
            scores.append(sum(float(logs[n - 1, whole.input_ids[n]]) for n in learnt))
        results.append(scores)
    return results


def main() -> None:
    """Warm up, time both, compare their picks, print."""
    form = argparse.RawTextHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=form)
    parser.add_argument("--questions", type=int, default=256)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--shape", choices=SHAPES, default="8b")
    given = parser.parse_args()
    engine = opened(given.shape, given.device, given.batch_size)
    asked, pictures = questions(given.questions)
    few = asked[: max(2, given.questions // 8)]
    ours(engine, few, pictures)
    plain(engine, few[:2], pictures)
    began = time.perf_counter()
    fast = ours(engine, asked, pictures)
    middle = time.perf_counter()
    slow = plain(engine, few, pictures)
    ended = time.perf_counter()
    quick, plainly = len(asked) / (middle - began), len(few) / (ended - middle)
    picks = [max(range(4), key=lambda n: reply.scores[n].total) for reply in fast]
    same = sum(pick == row.index(max(row)) for pick, row in zip(picks, slow, strict=False))
    print(f"ikusi evaluate: {quick:.1f} questions/s; a plain loop: {plainly:.2f}")
    print(f"{quick / plainly:.1f} times as fast; {same} of {len(few)} picks equal")
    if given.device.startswith("cuda"):
        peak = torch.cuda.max_memory_allocated() / 2**30
        print(f"peak memory {peak:.1f} GiB on {torch.cuda.get_device_name()}")
    print(f"{platform.machine()}, {artifact.list_versions()}")


if __name__ == "__main__":
    main()
