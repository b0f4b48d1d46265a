"""The parts of vLLM that an evaluation uses, as its documentation has them, done by transformers.

vLLM needs a GPU. This holds our side of the contract: which tokens and pictures are handed over,
which log-probabilities are read, when an answer ended. It says nothing of vLLM itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoProcessor,
)

__version__ = "stand-in"


@dataclass
class SamplingParams:
    temperature: float = 1.0
    max_tokens: int = 16
    prompt_logprobs: int | None = None
    logprobs: int | None = None
    stop_token_ids: Sequence[int] | None = None


@dataclass
class Logprob:
    logprob: float
    rank: int
    decoded_token: str | None = None


@dataclass
class CompletionOutput:
    token_ids: Sequence[int]
    finish_reason: str
    logprobs: list[dict[int, Logprob]] | None = None


@dataclass
class RequestOutput:
    prompt_token_ids: list[int]
    prompt_logprobs: list[dict[int, Logprob] | None] | None
    outputs: list[CompletionOutput]


class LLM:
    opened: dict[str, Any] = {}  # noqa: RUF012 - what the last one was opened with

    def __init__(self, model: str, *, dtype: str = "auto", **options: Any) -> None:
        LLM.opened = {"dtype": dtype, **options}
        self.most = options.get("limit_mm_per_prompt", {}).get("image", 0)
        config = AutoConfig.from_pretrained(model)
        sees = config.model_type == "llava"
        named = options.get("hf_overrides", {}).get("projector_hidden_act")
        if sees and config.projector_hidden_act == "linear" and named is None:
            raise ValueError("Activation function 'linear' is not supported.")
        auto: Any = AutoModelForImageTextToText if sees else AutoModelForCausalLM
        self.model = auto.from_pretrained(model, dtype=dtype).eval()
        self.processor: Any = AutoProcessor.from_pretrained(model, backend="pil") if sees else None

    @torch.no_grad()
    def generate(
        self, prompts: Sequence[Any], sampling_params: Sequence[SamplingParams], use_tqdm: bool
    ) -> list[RequestOutput]:
        return [self._one(*asked) for asked in zip(prompts, sampling_params, strict=True)]

    def _one(self, prompt: Any, sampling: SamplingParams) -> RequestOutput:
        assert sampling.temperature == 0 and set(prompt) <= {"prompt_token_ids", "multi_modal_data"}
        ids: list[int] = list(prompt["prompt_token_ids"])
        pixels: dict[str, Any] = {}
        if "multi_modal_data" in prompt:
            ids, pixels = self._expanded(ids, prompt["multi_modal_data"]["image"])
        logs = None
        if sampling.prompt_logprobs is not None:
            scores = self.model(torch.tensor([ids]), **pixels).logits[0].float().log_softmax(-1)
            logs = [None, *(_told(scores[at], token) for at, token in enumerate(ids[1:]))]
        return RequestOutput(ids, logs, [self._said(ids, pixels, sampling)])

    def _expanded(self, ids: list[int], images: list[Any]) -> tuple[list[int], dict[str, Any]]:
        token = self.model.config.image_token_id
        if len(images) > self.most or ids.count(token) != len(images):
            raise ValueError(
                f"{len(images)} images, {self.most} at most, {ids.count(token)} tokens"
            )
        times = self.model.config.image_seq_length
        wide = [each for one in ids for each in ([one] * times if one == token else [one])]
        return wide, dict(self.processor.image_processor(images, return_tensors="pt"))

    def _said(
        self, ids: list[int], pixels: dict[str, Any], sampling: SamplingParams
    ) -> CompletionOutput:
        known = self.model.generation_config.eos_token_id
        stops = {*(known if isinstance(known, list) else [known]), *(sampling.stop_token_ids or ())}
        whole = self.model.generate(
            torch.tensor([ids]),
            **pixels,
            max_new_tokens=sampling.max_tokens,
            do_sample=False,
            eos_token_id=sorted(stops),
            return_dict_in_generate=True,
            output_logits=True,
        )
        said = whole.sequences[0, len(ids) :].tolist()
        logs = None
        if sampling.logprobs is not None:
            steps = (logits[0].float().log_softmax(-1) for logits in whole.logits)
            logs = [_told(scores, token) for scores, token in zip(steps, said, strict=True)]
        return CompletionOutput(tuple(said), "stop" if said[-1] in stops else "length", logs)


def _told(scores: torch.Tensor, token: int) -> dict[int, Logprob]:
    rank = int((scores > scores[token]).sum()) + 1
    return {token: Logprob(float(scores[token]), rank)}
