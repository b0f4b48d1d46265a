"""The embedded default: a whole study on emoji drawings and the words of Unicode CLDR."""
