"""Plain values as YAML that `read_yaml` reads back as they were."""

from __future__ import annotations

from typing import Any

import yaml

from arrowetl.documents.read_yaml import RESOLVERS, TAG


class _Dumper(yaml.SafeDumper):
    """Quotes what either of YAML's versions would take for something else than text."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - as it is called
        """Write everything out: people edit it."""
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        """Indent lists, too."""
        super().increase_indent(flow, False)

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> Any:
        """Write lists of plain values in one line."""
        flat = not any(isinstance(each, (dict, list)) for each in sequence)
        return super().represent_sequence(tag, sequence, flow_style or flat)


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    # PyYAML reads line ends of Unicode's in plain text as spaces.
    return dumper.represent_scalar(f"{TAG}str", text, style=None if text.isprintable() else '"')


_Dumper.add_representer(str, _text)
for _tag, _pattern in RESOLVERS:
    _Dumper.add_implicit_resolver(_tag, _pattern, None)


def write_yaml(value: Any) -> str:
    """Give plain values as YAML, in the order in which they are.

    >>> print(write_yaml({"on": ["0o17", 1e9, None]}), end="")
    'on': ['0o17', 1000000000.0, null]
    """
    return yaml.dump(
        value,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=False,
        width=100,
    )
