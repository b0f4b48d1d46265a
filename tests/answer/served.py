"""A server that really runs a tiny LLaVA, and can fail as servers do."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from aiohttp import web
from PIL import Image
from transformers import AutoProcessor, LlavaForConditionalGeneration

MODEL = "tiny"
KEY = "sesame"
FAULTS: tuple[str, ...] = (
    "busy",
    "error",
    "nothing",
    "garbage",
    "half",
    "late",
    "no text",
    "no choice",
)


class Served:
    """Answers chats with pictures by plain transformers.

    Attributes:
        every: how often a request fails, in each of ``kinds`` in turn: 3 is each third; 0 none.
        refused: parameters that it does not take, as newer closed models do.
        filtered: questions with this word are withheld.
        longest: characters of a chat that it takes.
        fed_up_after: requests after which it never answers again.
    """

    def __init__(self, folder: Path) -> None:
        kind: Any = LlavaForConditionalGeneration
        self.model = kind.from_pretrained(folder).eval()
        self.processor: Any = AutoProcessor.from_pretrained(folder, backend="pil")
        self.every, self.kinds = 0, FAULTS
        self.refused: set[str] = set()
        self.filtered: str | None = None
        self.longest = 10**9
        self.fed_up_after = 10**9
        self.thinks = self.wants_key = False
        self.requests: list[dict[str, Any]] = []
        self.faults: list[str] = []
        self.url = ""

    def _refuses_key(self, request: web.Request) -> bool:
        return self.wants_key and request.headers.get("Authorization") != f"Bearer {KEY}"

    async def models(self, request: web.Request) -> web.Response:
        if self._refuses_key(request):
            return _error(401, "Incorrect API key provided")
        return web.json_response({"object": "list", "data": [{"id": MODEL, "object": "model"}]})

    async def chat(self, request: web.Request) -> web.StreamResponse:
        if self._refuses_key(request):
            return _error(401, "Incorrect API key provided")
        asked = await request.json()
        self.requests.append(asked)
        refusal = self._refusal(asked)
        if refusal is not None:
            return refusal
        fault = self._fault()
        if len(self.requests) > self.fed_up_after or fault == "nothing":
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        if fault == "busy":
            return _error(429, "busy")
        if fault == "error":
            return _error(500, "it broke")
        if fault == "late":
            await asyncio.sleep(0.6)
        said = json.dumps(self.said(asked, fault))
        if fault == "garbage":
            return web.Response(text="<html>a proxy's page", content_type="text/html")
        text = said[: len(said) // 2] if fault == "half" else said
        return web.Response(text=text, content_type="application/json")

    def _fault(self) -> str | None:
        if not self.every or len(self.requests) % self.every:
            return None
        self.faults.append(self.kinds[len(self.faults) % len(self.kinds)])
        return self.faults[-1]

    def _refusal(self, asked: dict[str, Any]) -> web.Response | None:
        for name in ("max_tokens", "temperature"):  # the texts are OpenAI's own
            if name in self.refused & set(asked):
                told = (
                    f"Unsupported parameter: '{name}' is not supported with this model. "
                    "Use 'max_completion_tokens' instead."
                    if name == "max_tokens"
                    else f"Unsupported value: '{name}' does not support 0 with this model."
                )
                return _error(400, told, param=name, code="unsupported_parameter")
        if (
            sum(len(part["text"]) for part in _parts(asked) if part["type"] == "text")
            > self.longest
        ):
            return _error(400, "This model's maximum context length is 8 tokens", param="messages")
        return None

    @torch.no_grad()
    def said(self, asked: dict[str, Any], fault: str | None) -> dict[str, Any]:
        """A completion by the model."""
        limit = asked.get("max_tokens", asked.get("max_completion_tokens"))
        prompt = self.processor.apply_chat_template(_chat(asked), add_generation_prompt=True)
        images = [_image(part["image_url"]["url"]) for part in _parts(asked) if "image_url" in part]
        inputs = self.processor(text=prompt, images=images or None, return_tensors="pt")
        ids = self.model.generate(**inputs, max_new_tokens=limit, do_sample=False)[0]
        new = ids[inputs["input_ids"].shape[1] :].tolist()
        ended = "stop" if new[-1] == self.processor.tokenizer.eos_token_id else "length"
        text: str | None = self.processor.tokenizer.decode(new, skip_special_tokens=True)
        if self.thinks:
            text, ended = None, "length"
        if self.filtered and self.filtered in prompt:
            text, ended = "", "content_filter"
        if fault == "no text":
            text, ended = None, "stop"
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": ended}
        return {
            "id": "one",
            "object": "chat.completion",
            "created": 0,
            "model": MODEL,
            "choices": [] if fault == "no choice" else [choice],
        }

    @contextmanager
    def started(self) -> Iterator[Served]:
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, daemon=True)
        thread.start()
        runner = asyncio.run_coroutine_threadsafe(self._start(), loop).result()
        try:
            yield self
        finally:
            asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    async def _start(self) -> web.AppRunner:
        app = web.Application(client_max_size=2**24)
        app.router.add_get("/v1/models", self.models)
        app.router.add_post("/v1/chat/completions", self.chat)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        return runner


def _error(status: int, message: str, **more: str) -> web.Response:
    return web.json_response({"error": {"message": message, **more}}, status=status)


def _chat(asked: dict[str, Any]) -> list[dict[str, Any]]:
    """The messages as a chat template of transformers takes them."""
    found = []
    for message in asked["messages"]:
        content = message["content"]
        if not isinstance(content, str):
            content = [{"type": "image"} if "image_url" in part else part for part in content]
        found.append({"role": message["role"], "content": content})
    return found


def _parts(asked: dict[str, Any]) -> Sequence[dict[str, Any]]:
    """All parts of all messages."""
    found: list[dict[str, Any]] = []
    for message in asked["messages"]:
        content = message["content"]
        found += [{"type": "text", "text": content}] if isinstance(content, str) else content
    return found


def _image(url: str) -> Image.Image:
    head, _, data = url.partition(",")
    assert head == "data:image/png;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))
