"""Tests check every jaxtyping annotation at run time; production does not."""

from jaxtyping import install_import_hook

install_import_hook(["happyhorse.model", "happyhorse.training"], "beartype.beartype")
