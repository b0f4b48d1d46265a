"""Time and memory of a merge, beside a plain copy of the run's files on the same disk.

    python bench/merge.py --layers 8 --width 2048 --words 64000

Writes a LLaVA in bf16 and two LLMs of its family, all with random weights, then, one after the
other in processes of their own, copies the LLaVA's folder and merges the three by plain addition
and by TIES; all flush what they wrote to the disk. Of several runs the quickest counts: other work
on a machine only adds to it. Memory is the most that a process held, minus what it held once it had
loaded torch and transformers.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    CLIPVisionConfig,
    CLIPVisionModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerBase,
)

from ikusi import disk
from ikusi.model import fusion
from ikusi.model.merging import tensors
from ikusi.model.tokens import SPECIAL_TOKENS, make_plain_tokenizer

MEASURED = """
import json, os, shutil, sys, time
sys.path.insert(0, sys.argv[6])
import memory
from pathlib import Path
from ikusi import disk
from ikusi.model import merging
how, run, plus, minus, out = sys.argv[1:6]
def copy():
    shutil.copytree(run, out)
    disk.flush_tree(Path(out))
def merge():
    merging.merge(Path(run), Path(plus), Path(minus), Path(out), merging.Mix(0.5, how))
held, began, started = memory.peak_mib(), time.perf_counter(), os.times()
copy() if how == "copy" else merge()
ended = os.times()
print(json.dumps({"seconds": time.perf_counter() - began, "mib": memory.peak_mib() - held,
                  "cpu": ended.user + ended.system - started.user - started.system}))
"""


def make_tokenizer(words: int) -> PreTrainedTokenizerBase:
    """One with so many words."""
    names = [*SPECIAL_TOKENS, "[UNK]"]
    names += [f"word{number}" for number in range(words - len(names))]
    known = {name: number for number, name in enumerate(names)}
    backend = Tokenizer(models.WordLevel(known, "[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    return make_plain_tokenizer(backend)


def write_models(folder: Path, asked: argparse.Namespace) -> None:
    """Write the run, and the LLMs that are added and subtracted."""
    tokenizer = make_tokenizer(asked.words)
    config = LlamaConfig(
        vocab_size=asked.words,
        hidden_size=asked.width,
        intermediate_size=asked.width * 7 // 2,
        num_hidden_layers=asked.layers,
        num_attention_heads=asked.width // 64,
        num_key_value_heads=asked.width // 128,
        bos_token_id=None,
        eos_token_id=None,
    )
    torch.set_default_dtype(torch.bfloat16)
    for name in ("minus", "plus"):
        fusion.save(llm := LlamaForCausalLM(config), tokenizer, folder / name)
    tower = CLIPVisionModel(CLIPVisionConfig(num_hidden_layers=2))
    model, processor = fusion.assemble(tower, llm, seed=0, tokenizer=tokenizer)
    fusion.save(model, processor, folder / "run")
    torch.set_default_dtype(torch.float32)


def measure(how: str, folder: Path) -> dict[str, float]:
    """Seconds, processor time and memory of a process that does one thing; its output goes."""
    places = [folder / name for name in ("run", "plus", "minus", "made")]
    words = [sys.executable, "-c", MEASURED, how, *map(str, [*places, Path(__file__).parent])]
    taken: dict[str, float] = json.loads(subprocess.check_output(words, text=True).splitlines()[-1])
    shutil.rmtree(folder / "made")
    return taken


def main() -> None:
    """Print what the runs took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--words", type=int, default=128_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="on the disk that is measured")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.folder) as place:
        write_models(Path(place), asked)
        disk.flush_tree(Path(place))
        held = tensors.list_stored(Path(place) / "run").values()
        size, largest = sum(one.size for one in held), max(one.size for one in held)
        print(f"a run of {size / 1e6:,.0f} MB, largest tensor {largest / 1e6:,.0f} MB")
        best: dict[str, dict[str, float]] = {}
        for _ in range(asked.runs):
            for how in ("copy", "linear", "ties"):
                taken = measure(how, Path(place))
                best[how] = min(taken, best.get(how, taken), key=lambda one: one["seconds"])
        print("| | seconds | times the copy | of processors | memory | of the largest tensor |")
        print("|---|--:|--:|--:|--:|--:|")
        for how, one in best.items():
            ratio, share = one["seconds"] / best["copy"]["seconds"], one["mib"] * 2**20 / largest
            print(
                f"| {how} | {one['seconds']:.1f} | {ratio:.1f} | {one['cpu']:.1f} s "
                f"| {one['mib']:.0f} MiB | {share:.1f} |"
            )


if __name__ == "__main__":
    main()
