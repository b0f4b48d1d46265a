"""YAML text: what Ikusi reads as which value, and values written so that they are read back equal.

Values follow YAML 1.2: ``no`` is a word (the key of a language pack's negative answer) and
``1e-3`` is a number, where PyYAML alone reads a boolean and a string.
"""

import json
import re
from functools import lru_cache
from typing import Any

import yaml

_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")  # YAML 1.2, 5.1, 5.4


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader: words and numbers as in YAML 1.2, neither aliases nor tags."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()
        # A few nested aliases can stand for billions of values, or for themselves.
        alias = event.anchor if isinstance(event, yaml.AliasEvent) else None
        tag = getattr(event, "tag", None)
        if alias or tag:
            problem = f"alias *{alias}; write the value out" if alias else f"tag {tag}"
            raise yaml.composer.ComposerError(None, None, problem, event.start_mark)
        return super().compose_node(parent, index)


_DIGITS = r"(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?"
_Loader.yaml_implicit_resolvers = {}
for _kind, _pattern, _first in (
    ("null", r"^(?:~|null|)$", ["~", "n", ""]),
    ("bool", r"^(?:true|false)$", list("tf")),
    ("int", r"^[-+]?(?:0|[1-9][0-9]*)$", list("-+0123456789")),
    ("float", rf"^[-+]?(?:{_DIGITS}|\.inf|\.nan)$", list("-+.0123456789")),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(_pattern), _first)
_VALUES = _Loader("")


@lru_cache(maxsize=64)  # language packs and benchmarks are read again and again
def compose(text: str) -> yaml.Node | None:
    """The nodes of a text; they are only read, and values are made from them anew each time."""
    return yaml.compose(text, Loader=_Loader)


def read_scalar(node: yaml.Node) -> Any:
    """The value of a node that is no list and no mapping."""
    return _VALUES.yaml_constructors[node.tag](_VALUES, node)


class _Dumper(yaml.SafeDumper):
    """Quotes text that would be read as anything else."""

    yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers

    def ignore_aliases(self, data: Any) -> bool:
        """Write every value out: no alias is read."""
        return True

    def text(self, data: str) -> yaml.ScalarNode:
        """Text in double quotes where it holds what needs an escape, such as a line break."""
        style = None if data.isprintable() else '"'
        return self.represent_scalar("tag:yaml.org,2002:str", data, style)


_Dumper.add_representer(str, _Dumper.text)


def to_line(value: Any) -> str:
    """A value on one line.

    >>> to_line({"qos": "high", "year": "2026", "answer": "no"})
    "{qos: high, year: '2026', answer: no}"
    """
    # A lone scalar would be dumped as a whole document.
    text = yaml.dump(
        [value],
        Dumper=_Dumper,
        default_flow_style=True,
        allow_unicode=True,
        sort_keys=False,
        width=float("inf"),
    )
    return text.strip()[1:-1]


def quote(value: Any) -> str:
    r"""A value on one line, all its text in double quotes.

    >>> quote(["bai", 2, "a\x7f"])
    '["bai", 2, "a\\u007f"]'
    """
    text = json.dumps(value, ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
