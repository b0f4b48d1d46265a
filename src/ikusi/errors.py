"""The errors that Ikusi raises on purpose."""

import re

_SECRETS = re.compile(
    r"(?<=://)[^\s/@]+@"  # user and password in an address, such as a proxy's
    r"|\bhf_[A-Za-z0-9]{16,}"  # a token of the hub
    r"|(?<=[Bb]earer )[^\s'\",;]{8,}"
)


def without_secrets(text: str) -> str:
    """A text of any origin without what must not be shown.

    >>> without_secrets("http://me:sesame@proxy:80 refused")
    'http://proxy:80 refused'
    """
    return _SECRETS.sub("", text)


class IkusiError(Exception):
    """Something Ikusi knows how to explain in one line, without a traceback."""


class InputError(IkusiError):
    """Bad input: a file, key, row or picture that the person can correct (exit code 3).

    The message is one line: ``file:line: key: expected X, found Y (did you mean Z?)``. Libraries
    put addresses and headers into theirs, so passwords and tokens are taken out here, for all.
    """

    def __init__(self, message: str) -> None:
        super().__init__(without_secrets(message))
