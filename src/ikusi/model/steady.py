"""Chat templates that write the same tokens on every day and in every turn.

Some templates write today's date, so that the same conversation has other tokens tomorrow. Some put
an empty thought (`<think>`, `</think>`) before an assistant's last answer only, so that no turn but
the last is trained on as it is asked for. What a tokenizer gets here is written into every
checkpoint, so training, evaluation and whatever serves the checkpoint agree token for token.
"""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import date
from typing import Any

from jinja2.exceptions import TemplateError
from transformers import PreTrainedTokenizerBase

from ikusi.errors import InputError
from ikusi.model.tokens import with_image_parts, without_image_parts

DATE = date(2024, 7, 26)
"""What templates take for today: the day that Llama 3's takes where it knows no other."""

ASKED = re.compile(r"""strftime_now\(\s*(?:'([^']+)'|"([^"]+)")\s*\)""")
THOUGHT = re.compile(r"(?:<(\w+)>\s*</\1>|\[(\w+)\]\s*\[/\2\])\s*$")
ANSWERS = ("ikusi-1", "ikusi-2")
TALK = [
    {"role": role, "content": text}
    for role, text in zip(
        ["user", "assistant"] * 2, ["a", ANSWERS[0], "b", ANSWERS[1]], strict=True
    )
]


def make_steady(tokenizer: PreTrainedTokenizerBase) -> None:
    """Let a tokenizer's chat template write the same tokens always; others stay as they are.

    Raises:
        InputError: it asks for the date in a form that cannot be read off it.
    """
    template = tokenizer.chat_template
    if not isinstance(template, str):
        return
    image = getattr(tokenizer, "image_token", None)
    own = template if image is None else without_image_parts(template, image)
    made = _without_thoughts(tokenizer, pin_date(own))
    if made != own:
        tokenizer.chat_template = made if own == template else with_image_parts(made, str(image))


def find_today(template: Any) -> list[str]:
    """The day that a template takes for today, once it is pinned; else nothing."""
    day = DATE.isoformat()
    return [f"today is {day}"] if isinstance(template, str) and _opening(day) in template else []


def _opening(day: str) -> str:
    return f"{{#- today is {day} -#}}"


def pin_date(template: str) -> str:
    """A template whose `strftime_now` and `date_string` are those of one day.

    Raises:
        InputError: it asks for the date in a form that cannot be read off it.
    """
    if "strftime_now" not in template or find_today(template):
        return template
    forms = {one or other for one, other in ASKED.findall(template)}
    if template.count("strftime_now(") != len(ASKED.findall(template)):
        raise InputError(
            "chat template: expected strftime_now with its form as text, so that the date can be "
            "pinned, found another use"
        )
    days = {form: DATE.strftime(form) for form in sorted(forms)}
    macro = f"{{%- macro strftime_now(form) -%}}{{{{ {days!r}[form] }}}}{{%- endmacro -%}}"
    string = f"{{%- set date_string = {DATE.strftime('%d %b %Y')!r} -%}}"
    return _opening(DATE.isoformat()) + macro + string + template


def _without_thoughts(tokenizer: Any, template: str) -> str:
    """A template that leaves out the empty thought that it puts before some answers only."""
    whole, prompt = _render(tokenizer, template)
    thought = THOUGHT.search(whole.partition(ANSWERS[1])[0])
    before = (*(whole.partition(answer)[0] for answer in ANSWERS), prompt)
    if not thought or all(text.endswith(thought[0]) for text in before):
        return template
    body = template.removesuffix("\n")
    leave = f"replace({thought[0]!r}, '')"
    made = f"{{%- set written %}}{body}{{% endset -%}}{{{{- written | {leave} -}}}}"
    bare = tuple(text.replace(thought[0], "") for text in (whole, prompt))
    return made if _render(tokenizer, made) == bare else template


def _render(tokenizer: Any, template: str) -> tuple[str, str]:
    """Two questions with their answers as text, and the first question asking for one; nothing
    where the template refuses them."""
    for talk in (TALK, [{**message, "content": _part(message["content"])} for message in TALK]):
        settings: dict[str, Any] = {"chat_template": template, "tokenize": False}
        with suppress(TemplateError, TypeError, ValueError):
            whole = tokenizer.apply_chat_template(talk, **settings)
            if all(answer in whole for answer in ANSWERS):
                settings["add_generation_prompt"] = True
                return whole, tokenizer.apply_chat_template(talk[:1], **settings)
    return "", ""


def _part(text: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": text}]
