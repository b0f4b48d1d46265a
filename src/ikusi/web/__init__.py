"""What all pages that Ikusi serves share: guards, words, templates, uploads, the server."""
