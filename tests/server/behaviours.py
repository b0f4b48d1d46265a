"""Behaviours of real servers, as settings of ``Peculiar``: the rows of docs/servers.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from server.forms import (
    RATE,
    WRONG,
    ended,
    forbidden,
    openai_error,
    said,
    unknown,
    unsupported,
)
from server.peculiar import Peculiar
from translate.servers import MODEL


@dataclass(frozen=True)
class Behaviour:
    """One thing that a server does.

    Args:
        name: of the row in docs/servers.md.
        server: a server that does so, made anew for each try.
        ends: `answered`: all rows are answered rightly; `refused`: none is kept, each has the
            reason `told`; `stopped`: the run ends with `told`.
        told: a part of what the person reads.
        learnt: fields that are sent otherwise, as in the record.
        url: what a person may write as its address.
        model: what a person may write as the model.
        only: `translate` or `evaluate` where it concerns one of them.
    """

    name: str
    server: Callable[[], Peculiar]
    ends: str = "answered"
    told: str = ""
    learnt: Mapping[str, str | None] = field(default_factory=dict)
    url: Callable[[str], str] = str
    model: str = MODEL
    only: str = ""


BEHAVIOURS = [
    # Fields that are refused by name.
    Behaviour(
        "openai-max-tokens",
        lambda: Peculiar(
            refuses={
                "max_tokens": unsupported("max_tokens", " Use 'max_completion_tokens' instead.")
            }
        ),
        learnt={"max_tokens": "max_completion_tokens"},
    ),
    Behaviour(
        "openai-temperature",
        lambda: Peculiar(
            refuses={
                "temperature": (
                    400,
                    openai_error(
                        "Unsupported value: 'temperature' does not support 0.7 with this model. "
                        "Only the default (1) value is supported.",
                        param="temperature",
                        code="unsupported_value",
                    ),
                )
            }
        ),
        learnt={"temperature": None},
    ),
    Behaviour(
        "openai-top-p",
        lambda: Peculiar(refuses={"top_p": unsupported("top_p")}),
        learnt={"top_p": None},
        only="translate",
    ),
    Behaviour(
        "openai-schema-keywords",
        lambda: Peculiar(
            keeps_schemas=True,
            refuses={
                name: (
                    400,
                    openai_error(
                        "Invalid schema for response_format 'translation': In "
                        f"context=('properties', 'choices'), '{name}' is not permitted.",
                        param="response_format",
                    ),
                )
                for name in ("minItems", "maxItems")
            },
        ),
        learnt={"minItems": None, "maxItems": None},
        only="translate",
    ),
    Behaviour(
        "mistral-seed",
        lambda: Peculiar(refuses={"seed": forbidden("seed")}),
        learnt={"seed": None},
        only="translate",
    ),
    Behaviour(
        "gemini-seed",
        lambda: Peculiar(below="/v1beta/openai", refuses={"seed": unknown("seed")}),
        learnt={"seed": None},
        only="translate",
    ),
    Behaviour(
        "anthropic-both",
        lambda: Peculiar(
            refuses={
                "top_p": (
                    400,
                    openai_error(
                        "`temperature` and `top_p` cannot both be specified for this model. "
                        "Please use only one."
                    ),
                )
            }
        ),
        learnt={"top_p": None},
        only="translate",
    ),
    Behaviour("anthropic-ignores", Peculiar, only="translate"),
    Behaviour(
        "deepseek-json-schema",
        lambda: Peculiar(
            refuses={
                "response_format": (
                    400,
                    openai_error("This response_format type is unavailable now", param=None),
                )
            }
        ),
        learnt={"response_format": None},
        only="translate",
    ),
    Behaviour(
        "500-on-schemas",
        lambda: Peculiar(on_schemas=(500, {"error": {"message": "only text or json_object"}})),
        only="translate",
    ),
    Behaviour(
        "lm-studio-error",
        lambda: Peculiar(on_rows=(400, {"error": "the prompt is longer than the context"})),
        ends="refused",
        told="400: the prompt is longer than the context",
    ),
    # A busy server.
    Behaviour("openrouter-200-error", lambda: Peculiar(first_rows=[(200, RATE)] * 10)),
    Behaviour(
        "openrouter-choice-error",
        lambda: Peculiar(shape=ended("error", error={"code": 502, "message": "provider is down"})),
        ends="refused",
        told="ended by error",
    ),
    Behaviour(
        "200-object-error",
        lambda: Peculiar(
            first_rows=[(200, {"object": "error", "message": "overloaded", "code": 503})] * 10
        ),
    ),
    Behaviour(
        "busy-first-minute",
        lambda: Peculiar(
            keeps_schemas=True,
            first=[(503, {"error": {"message": "Loading model", "code": 503}})] * 7,
        ),
    ),
    # Ends.
    Behaviour(
        "azure-content-filter",
        lambda: Peculiar(shape=ended("content_filter")),
        ends="refused",
        told="ended by content_filter",
    ),
    Behaviour(
        "sglang-abort",
        lambda: Peculiar(shape=ended("abort")),
        ends="refused",
        told="ended by abort",
    ),
    Behaviour(
        "sglang-null-end",
        lambda: Peculiar(shape=ended(None)),
        ends="refused",
        told="ended by nothing",
    ),
    Behaviour(
        "gemini-max-tokens",
        lambda: Peculiar(shape=ended("MAX_TOKENS")),
        ends="refused",
        told="found it cut",
    ),
    Behaviour(
        "mistral-model-length",
        lambda: Peculiar(shape=ended("model_length")),
        ends="refused",
        told="ended by model_length",
    ),
    Behaviour(
        "length", lambda: Peculiar(shape=ended("length")), ends="refused", told="found it cut"
    ),
    # Forms of an answer.
    Behaviour(
        "content-parts",
        lambda: Peculiar(shape=said(lambda text: [{"type": "text", "text": text}])),
    ),
    Behaviour(
        "mistral-thinking-parts",
        lambda: Peculiar(
            shape=said(
                lambda text: [
                    {"type": "thinking", "thinking": [{"type": "text", "text": WRONG}]},
                    {"type": "text", "text": text},
                ]
            )
        ),
    ),
    Behaviour(
        "vllm-reasoning-content",
        lambda: Peculiar(shape=said(str, reasoning_content=WRONG)),
    ),
    Behaviour(
        "vllm-only-reasoning",
        lambda: Peculiar(shape=said(lambda text: None, reasoning=WRONG)),
        ends="refused",
        told="found only a thought",
    ),
    Behaviour("ollama-think", lambda: Peculiar(shape=said(lambda t: f"<think>{WRONG}</think>{t}"))),
    Behaviour(
        "vllm-lone-closing-think", lambda: Peculiar(shape=said(lambda t: f"{WRONG}</think>\n{t}"))
    ),
    Behaviour(
        "unclosed-think",
        lambda: Peculiar(shape=said(lambda t: f"<think>{WRONG}{t}")),
        ends="refused",
        told="found the thought cut",
    ),
    Behaviour(
        "magistral-think", lambda: Peculiar(shape=said(lambda t: f"[THINK]{WRONG}[/THINK]{t}"))
    ),
    Behaviour(
        "gpt-oss-harmony",
        lambda: Peculiar(
            shape=said(
                lambda t: (
                    f"<|channel|>analysis<|message|>{WRONG}<|end|><|start|>assistant"
                    f"<|channel|>final<|message|>{t}<|return|>"
                )
            )
        ),
    ),
    Behaviour(
        "gpt-oss-without-control-tokens",
        lambda: Peculiar(shape=said(lambda t: f"analysis{WRONG}assistantfinal{t}")),
    ),
    Behaviour(
        "bedrock-reasoning",
        lambda: Peculiar(shape=said(lambda t: f"<reasoning>{WRONG}</reasoning>{t}")),
    ),
    Behaviour(
        "gpt-oss-cut",
        lambda: Peculiar(shape=said(lambda t: f"<|channel|>analysis<|message|>{WRONG}")),
        ends="refused",
        told="found the thought cut",
    ),
    Behaviour(
        "openai-refusal",
        lambda: Peculiar(shape=said(lambda t: None, refusal="I cannot help with that.")),
        ends="refused",
        told="found a refusal: I cannot help",
    ),
    # Names and addresses.
    Behaviour("ollama-latest", lambda: Peculiar(listed=[f"{MODEL}:latest"])),
    Behaviour("azure-deployment", lambda: Peculiar(listed=["gpt-4o"], names=[MODEL])),
    Behaviour(
        "hf-router-provider",
        lambda: Peculiar(listed=["org/model"], names=["org/model:fast"]),
        model="org/model:fast",
    ),
    Behaviour(
        "llama-cpp-any-name",
        lambda: Peculiar(listed=["capital.gguf"]),
        ends="stopped",
        told=f"expected one of capital.gguf, found {MODEL}",
    ),
    Behaviour(
        "vllm-unknown-model",
        lambda: Peculiar(listed=["other", "capital"], names=["other", "capital"]),
        ends="stopped",
        told=f"expected one of capital, other, found {MODEL}",
    ),
    Behaviour("no-list-404", lambda: Peculiar(listed=404)),
    Behaviour("no-list-401", lambda: Peculiar(listed=401)),
    Behaviour("no-list-500", lambda: Peculiar(listed=500)),
    Behaviour("address-without-v1", Peculiar, url=lambda url: url.removesuffix("/v1")),
    Behaviour(
        "address-without-v1-or-list",
        lambda: Peculiar(listed=404),
        url=lambda url: url.removesuffix("/v1"),
    ),
    Behaviour("address-endpoint", Peculiar, url=lambda url: url + "/chat/completions"),
    Behaviour("address-slash", Peculiar, url=lambda url: url + "/"),
    Behaviour(
        "address-query",
        lambda: Peculiar(below="/openai/deployments/x", listed=404),
        url=lambda url: url + "/chat/completions?api-version=2024-10-21",
    ),
    Behaviour(
        "address-wrong",
        lambda: Peculiar(below="/elsewhere/v1"),
        url=lambda url: url.replace("/elsewhere", ""),
        ends="stopped",
        told="404 page not found",
    ),
    # Refusals for good.
    Behaviour(
        "openai-401",
        lambda: Peculiar(key="sesame-opens-the-door"),
        ends="stopped",
        told="401: Incorrect API key provided",
    ),
    Behaviour(
        "forbidden-403",
        lambda: Peculiar(on_rows=(403, {"detail": "Country not supported"})),
        ends="stopped",
        told="403: Country not supported",
    ),
    Behaviour(
        "openrouter-402",
        lambda: Peculiar(on_rows=(402, {"error": {"message": "Insufficient credits"}})),
        ends="stopped",
        told="402: Insufficient credits",
    ),
    Behaviour(
        "openrouter-moderation",
        lambda: Peculiar(
            on_rows=(403, {"error": {"code": 403, "message": "Your input was flagged"}})
        ),
        ends="refused",
        told="403: Your input was flagged",
    ),
    Behaviour(
        "azure-prompt-filter",
        lambda: Peculiar(on_rows=(400, openai_error("The response was filtered", param="prompt"))),
        ends="refused",
        told="400: The response was filtered",
    ),
    Behaviour(
        "fastapi-detail",
        lambda: Peculiar(on_rows=(400, {"detail": "prompt too long"})),
        ends="refused",
        told="400: prompt too long",
    ),
    Behaviour(
        "vllm-message",
        lambda: Peculiar(on_rows=(400, {"object": "error", "message": "context is 8 tokens"})),
        ends="refused",
        told="400: context is 8 tokens",
    ),
    Behaviour(
        "html-error",
        lambda: Peculiar(on_rows=(413, "<html><title>Too Large</title><p>nginx</html>")),
        ends="refused",
        told="413: Too Large",
    ),
    Behaviour(
        "empty-error", lambda: Peculiar(on_rows=(400, "")), ends="refused", told="400: Bad Request"
    ),
]
