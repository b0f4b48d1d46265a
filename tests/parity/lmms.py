"""lmms-eval in this process, and its LLaVA's choice scores put right."""

from pathlib import Path
from typing import Any

import torch
from lmms_eval import evaluator
from lmms_eval.api.instance import GenerationResult
from lmms_eval.models.simple.llava_hf import LlavaHf
from lmms_eval.tasks import TaskManager


def simple_evaluate(model: Any, arguments: str, tasks: list[str], folder: Path) -> dict[str, Any]:
    """Run tasks of a folder and return results and samples."""
    manager = TaskManager(include_path=str(folder), include_defaults=False)
    found: dict[str, Any] = evaluator.simple_evaluate(
        model=model,
        model_args=arguments,
        tasks=tasks,
        task_manager=manager,
        batch_size=1,
        device="cpu",
        log_samples=True,
        bootstrap_iters=0,
        cli_args=None,
    )
    return found


class OneRequestPerOption(LlavaHf):
    """lmms-eval's LLaVA with a right log-probability, one forward pass for each option.

    As it stands it reads the context without the picture, so its mask is short by all image tokens
    but one, and gives the mean over what is left.
    """

    is_simple = True

    def loglikelihood(self, requests: Any) -> list[Any]:
        found = []
        for context, target, visual, row, task, split in [request.args for request in requests]:
            images = visual(self.task_dict[task][split][row])
            parts = [{"type": "image"} for _ in images] + [{"type": "text", "text": context}]
            asked = [{"role": "user", "content": parts}]
            said = [{"role": "assistant", "content": [{"type": "text", "text": target}]}]
            short, whole = (self._inputs(turns, images) for turns in (asked, asked + said))
            start = short["input_ids"].shape[1]
            found.append(GenerationResult(text=(self._loss(whole, start), False)))
        return found

    def _inputs(self, messages: list[Any], images: list[Any]) -> Any:
        processor = self._image_processor
        prompt = messages[-1]["role"] == "user"
        text = processor.apply_chat_template(messages, add_generation_prompt=prompt)
        return processor(
            text=[text], images=images or None, return_tensors="pt", add_special_tokens=False
        ).to(self._device)

    def _loss(self, inputs: Any, start: int) -> float:
        with torch.inference_mode():
            logs = self.model(**inputs).logits[0, start - 1 : -1].float().log_softmax(dim=-1)
        ids = inputs["input_ids"][0, start:]
        end = (ids == self.tokenizer.eos_token_id).nonzero()[0, 0] + 1
        return -float(logs.gather(1, ids[:, None])[:end].sum())


def one_request_per_option(checkpoint: str) -> OneRequestPerOption:
    """Open a checkpoint in fp32 on the CPU."""
    return OneRequestPerOption(checkpoint, device_map="cpu", dtype="float32", device="cpu")
