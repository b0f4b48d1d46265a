"""Pages are filled in with texts of anybody's, none of which may become markup."""

from pathlib import Path

import jinja2
import pytest

from ikusi.page import fill_template


def test_values_are_escaped_and_filters_applied(tmp_path: Path) -> None:
    template = tmp_path / "a.html.j2"
    template.write_text("{% if text %}\n<p>{{ text | twice }}</p>\n{% endif %}\n")
    page = fill_template(template, {"text": "<b>&"}, {"twice": lambda text: text * 2})
    assert page == "<p>&lt;b&gt;&amp;&lt;b&gt;&amp;</p>\n"


def test_a_name_without_a_value_is_an_error(tmp_path: Path) -> None:
    template = tmp_path / "a.html.j2"
    template.write_text("{{ absent }}")
    with pytest.raises(jinja2.UndefinedError, match="absent"):
        fill_template(template, {}, {})
