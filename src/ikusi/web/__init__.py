"""Parts shared by all pages that Ikusi serves: guards, words, templates, uploads, the server."""
