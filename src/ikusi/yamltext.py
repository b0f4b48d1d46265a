"""Values written as YAML that `yamlfile` reads back equal."""

import json
import re
from typing import Any

import yaml

from ikusi import yamlfile

_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")  # YAML 1.2, 5.1, 5.4


class _Dumper(yaml.SafeDumper):
    """Quotes text that would be read as anything else."""

    yaml_implicit_resolvers = yamlfile.RESOLVERS

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
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
