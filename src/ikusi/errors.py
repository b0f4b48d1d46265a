"""The errors that Ikusi raises on purpose."""


class IkusiError(Exception):
    """Something Ikusi knows how to explain in one line, without a traceback."""


class InputError(IkusiError):
    """Bad input: a file, key, row or picture that the person can correct (exit code 3).

    The message is one line: ``file:line: key: expected X, found Y (did you mean Z?)``.
    """
