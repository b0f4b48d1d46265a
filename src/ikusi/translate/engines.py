"""Opens the engine that a translation names."""

from ikusi import language
from ikusi.translate.contract import Translator
from ikusi.translate.settings import Chat, Translation


def opened(settings: Translation) -> Translator:
    """The translator of these settings, ready to be fed.

    Raises:
        InputError: its model, program, prompt or server is not there.
    """
    if isinstance(settings.engine, Chat):
        from ikusi.translate.chat import ChatTranslator

        source, target = map(language.load, (settings.source_language, settings.language))
        return ChatTranslator(settings.engine, source, target)
    from ikusi.translate import sentences

    engine = sentences.engine(settings.engine)
    return sentences.SentenceTranslator(engine, settings.source_language)
