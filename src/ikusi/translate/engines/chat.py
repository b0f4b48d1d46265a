"""LLMs behind OpenAI-compatible servers."""

from typing import Any, ClassVar, Literal

from pydantic import Field

from ikusi.recipe.values import Positive, Seed, Text
from ikusi.translate.engines.base import Engine


class Chat(Engine):
    """A large language model behind any OpenAI-compatible server."""

    implementation: ClassVar = "ikusi.translate.chat:ChatTranslator"

    kind: Literal["chat"] = Field(description="Asks an OpenAI-compatible server.")
    url: Text = Field(description="Base address, such as http://localhost:8000/v1.")
    model: Text = Field(description="The model's name on that server.")
    revision: str | None = Field(
        default=None, description="What the server serves, for the record: a revision, a digest."
    )
    prompt: Text = Field(description="A prompt by name, such as `aokvqa`, or a YAML file.")
    format: Literal["labels", "json"] = Field(
        default="json", description="How the answer is laid out; the paper's is `labels`."
    )
    temperature: float | None = Field(
        default=0.7, ge=0, description="Sampling temperature; none leaves it to the server."
    )
    top_p: float | None = Field(
        default=0.15, gt=0, le=1, description="Nucleus of sampling; none leaves it to the server."
    )
    max_tokens: int = Field(default=2048, ge=1, description="Longest answer, in tokens.")
    seed: Seed = Field(default=0, description="Seed of a row's first try.")
    extra: dict[str, Any] = Field(
        default={}, description="Further fields of every request, as the server has them."
    )
    tries: int = Field(default=3, ge=1, description="Answers asked for before a row is given up.")
    deadline: Positive = Field(default=300.0, description="Seconds that one request may take.")
    concurrency: int = Field(
        default=64, ge=1, description="Most requests at once; fewer are sent when errors come."
    )
    price_read: float = Field(default=0.0, ge=0, description="Price of a million tokens read.")
    price_written: float = Field(
        default=0.0, ge=0, description="Price of a million tokens written."
    )
    tokens_per_second: Positive | None = Field(
        default=None, description="Tokens that the server writes a second, for a dry run."
    )

    def costs(self, read: int, written: int) -> tuple[float | None, float | None]:
        """See `Engine`."""
        pace = self.tokens_per_second
        hours = written / pace / 3600 if pace else None
        return hours, (read * self.price_read + written * self.price_written) / 1e6


ENGINES = [Chat]
