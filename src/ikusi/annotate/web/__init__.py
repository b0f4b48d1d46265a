"""The pages that people judge on: plain forms that need nothing but this package."""
