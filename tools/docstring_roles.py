"""For `make docs`: roles of docstrings, as in :class:`Model`, become code in Markdown."""

import re
from typing import Any

import griffe

ROLE = re.compile(r":(?:class|meth|func|data|attr|mod):`~?([^`]+)`")


class DocstringRoles(griffe.Extension):
    """Called by mkdocstrings for everything that has a docstring."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite the docstring in place."""
        if obj.docstring:
            obj.docstring.value = ROLE.sub(r"`\1`", obj.docstring.value)
