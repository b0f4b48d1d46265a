"""An answer that is read while it comes, and that may be ended before it is whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

from ikusi.answer.engine import Engine, Query, Reply

Say = Callable[[str], bool]
"""Is given the answer so far each time that there is more of it; False ends the answer there.

What was given may change: thoughts are left out once they are known to be some, and a server that
fails on the way is asked anew.
"""

UNFINISHED = "\N{REPLACEMENT CHARACTER}"
"""What tokens end with that are the first bytes of a character."""


@runtime_checkable
class Streaming(Engine, Protocol):
    """An engine whose answer can be read while it comes."""

    def stream(self, query: Query, pictures: Mapping[str, Any], say: Say) -> Reply:
        """Answer a query; the reply of one that was ended holds what there was of it.

        Raises:
            InputError: the query cannot be asked, or the model's server is not there.
        """


def ask(engine: Engine, query: Query, pictures: Mapping[str, Any], say: Say) -> Reply:
    """Answer a query while `say` reads along: all at once where the engine cannot do otherwise.

    ``pictures`` is what the engine's ``prepare`` made of the query's.
    """
    if isinstance(engine, Streaming):
        return engine.stream(query, pictures, say)
    (reply,) = engine.answer([query], pictures)
    say(reply.text)
    return reply
