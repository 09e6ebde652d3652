"""What is inside nested types and columns, changed at any depth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.types as kinds

LISTS: tuple[tuple[Callable[[Any], bool], Callable[[pa.Field], pa.DataType]], ...] = (
    (kinds.is_large_list, pa.large_list),
    (kinds.is_list_view, pa.list_view),
    (kinds.is_large_list_view, pa.large_list_view),
    (kinds.is_list, pa.list_),
)
"""Lists of any size: how to tell one, and how to make one of a field."""

_OWN_BUFFERS = (
    (kinds.is_fixed_size_list, 1),
    (kinds.is_list_view, 3),
    (kinds.is_large_list_view, 3),
)


def nested(kind: Any, change: Callable[[pa.Field], pa.Field]) -> pa.DataType:
    """Give a nested type with other fields inside it; the type itself if it has none."""
    if kinds.is_struct(kind):
        return pa.struct([change(kind.field(i)) for i in range(kind.num_fields)])
    if kinds.is_map(kind):
        return pa.map_(change(kind.key_field), change(kind.item_field), kind.keys_sorted)
    if kinds.is_fixed_size_list(kind):
        return pa.list_(change(kind.value_field), kind.list_size)
    for is_list, make in LISTS:
        if is_list(kind):
            return make(change(kind.value_field))
    return kind


def plainly_worded(kind: Any) -> pa.DataType:
    """Give a type with plain text, or bytes, as the words of its dictionaries, inside it too.

    Polars' Categorical and Enum have views there, of which pyarrow 26 can take, cast and show none.

    >>> plainly_worded(pa.list_(pa.dictionary(pa.int8(), pa.string_view())))
    ListType(list<item: dictionary<values=string, indices=int8, ordered=0>>)
    """
    if kinds.is_dictionary(kind):
        words = {pa.string_view(): pa.string(), pa.binary_view(): pa.binary()}
        into = words.get(kind.value_type)
        return kind if into is None else pa.dictionary(kind.index_type, into, kind.ordered)
    return nested(kind, lambda field: field.with_type(plainly_worded(field.type)))


def plainly_worded_schema(schema: pa.Schema) -> pa.Schema:
    """Give a schema with `plainly_worded` types; itself if it has them."""
    fields = [field.with_type(plainly_worded(field.type)) for field in schema]
    plain = pa.schema(fields, metadata=schema.metadata)
    return schema if plain.equals(schema) else plain


def plain_words(column: pa.Array) -> pa.Array:
    """Give a column as `plainly_worded` types it; only words are copied.

    >>> words = pa.array(["a", "b"], pa.string_view())
    >>> codes = pa.DictionaryArray.from_arrays(pa.array([1, None, 0]), words)
    >>> plain_words(codes).to_pylist()
    ['b', None, 'a']
    """
    kind = column.type
    into: Any = plainly_worded(kind)
    if kind == into:
        return column
    if kinds.is_dictionary(kind):
        words = column.dictionary.cast(into.value_type)
        return pa.DictionaryArray.from_arrays(column.indices, words, ordered=kind.ordered)
    if kinds.is_struct(kind):
        parts = [plain_words(column.field(place)) for place in range(kind.num_fields)]
        return pa.StructArray.from_arrays(parts, fields=list(into), mask=column.is_null())
    own = next((count for is_list, count in _OWN_BUFFERS if is_list(kind)), 2)
    buffers, inside = column.buffers()[:own], [plain_words(column.values)]
    return pa.Array.from_buffers(into, len(column), buffers, -1, column.offset, inside)
