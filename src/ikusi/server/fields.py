"""Fields of a request that a server does not take: learnt from its refusals, once for a run."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

from ikusi.server.refusals import RefusedError

logger = logging.getLogger(__name__)

OTHERWISE: Mapping[str, str | None] = {
    "minItems": None,
    "maxItems": None,
    "response_format": None,
    "max_tokens": "max_completion_tokens",
    "seed": None,
    "stop": None,
    "top_p": None,
    "temperature": None,
}
"""Fields that some servers refuse -> what is sent instead, if anything."""

IN_SCHEMA = ("minItems", "maxItems")
NAMES = {"response_format": r"response_format|json_schema"}
"""What a field is called in refusals, where it is not by its name alone."""

_REFUSED = re.compile(
    r"support|unrecogni[sz]ed|unknown|unexpected|permitted|allowed|forbidden|deprecated|removed"
    r"|cannot|unavailable|not available|disabled|must be",
    re.IGNORECASE,
)
# A value out of range is the recipe's mistake; the field itself is taken.
_RANGE = re.compile(
    r"at most|at least|too (large|small|high|low|long)|exceed|less than|greater|between|range"
    r"|maximum|minimum|[<>]=?",
    re.IGNORECASE,
)


class Fields:
    """The fields that one server takes; ``changed``: field -> what is sent instead."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.changed: dict[str, str | None] = {}

    @property
    def takes_schemas(self) -> bool:
        """Whether none was refused so far."""
        return "response_format" not in self.changed

    def fit(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """A request as this server takes it."""
        fitted = dict(request)
        for field, instead in self.changed.items():
            if field in IN_SCHEMA:
                fitted = _without_in_schema(fitted, field)
            elif field in fitted:
                value = fitted.pop(field)
                if instead:
                    fitted[instead] = value
        return fitted

    def learn(self, sent: Mapping[str, Any], error: RefusedError) -> bool:
        """Note which field of a request was refused, and say so the first time.

        Returns:
            Whether the same request should be sent again, without it.
        """
        if error.status not in (400, 422):
            return False
        field = _find_named(sent, error)
        if field is None:
            return False
        if field not in self.changed:
            instead = OTHERWISE[field]
            self.changed[field] = instead
            change = f"sent as {instead}" if instead else "left out"
            logger.warning("%s: refuses %s, which is now %s", self._name, field, change)
        return True


def _find_named(sent: Mapping[str, Any], error: RefusedError) -> str | None:
    """The field that a refusal is about, of those that were sent."""
    if not _REFUSED.search(error.reason) or _RANGE.search(error.reason):
        return None
    places = {
        field: match.start()
        for field in OTHERWISE
        if _is_in(sent, field)
        and (match := re.search(rf"\b(?:{NAMES.get(field, field)})\b", error.reason))
    }
    for inner in IN_SCHEMA:  # a refusal of these names the schema around them, too
        if inner in places:
            return inner
    if error.field is not None and error.field in OTHERWISE and _is_in(sent, error.field):
        return error.field
    if not places:
        return None
    # Of two that exclude each other, the one that matters less; else the first that is named.
    either = re.search(r"\bboth\b|only one", error.reason, re.IGNORECASE)
    return next(iter(places)) if either else min(places, key=lambda field: places[field])


def _is_in(sent: Mapping[str, Any], field: str) -> bool:
    if field in IN_SCHEMA:
        return f"'{field}'" in repr(sent.get("response_format", ""))
    return field in sent


def _without_in_schema(value: Any, field: str) -> Any:
    """A request whose schema has a keyword no more."""
    format = value.get("response_format")
    return value if format is None else {**value, "response_format": _strip(format, field)}


def _strip(value: Any, keyword: str) -> Any:
    if isinstance(value, dict):
        return {name: _strip(part, keyword) for name, part in value.items() if name != keyword}
    return value
