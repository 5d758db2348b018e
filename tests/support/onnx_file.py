"""Reads the nodes and weights of an ONNX file, of which no library of ours knows the format (it is a protobuf)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.generic]

_TYPES = {1: "<f4", 2: "u1", 3: "i1", 6: "<i4", 7: "<i8", 9: "?", 10: "<f2"}
_GRAPH, _NODE, _INITIALIZER = 7, 1, 5
_NODE_INPUT, _NODE_NAME, _NODE_OP = 1, 3, 4
_TENSOR_DIMS, _TENSOR_TYPE, _TENSOR_FLOATS, _TENSOR_NUMBERS, _TENSOR_NAME, _TENSOR_RAW = 1, 2, 4, 5, 8, 9


@dataclass(frozen=True)
class Node:
    """An operation; `inputs` are the names of tensors."""

    op: str
    name: str
    inputs: tuple[str, ...]


def read_onnx(data: bytes) -> tuple[list[Node], dict[str, Array]]:
    """The nodes in order, and the weights by their names; of integers that are not raw bytes, the short ones."""
    (graph,) = (value for field, value in _fields(memoryview(data)) if field == _GRAPH)
    nodes: list[Node] = []
    tensors: dict[str, Array] = {}
    for field, value in _fields(_message(graph)):
        if field == _NODE:
            nodes.append(_node(_message(value)))
        elif field == _INITIALIZER:
            name, tensor = _tensor(_message(value))
            tensors[name] = tensor
    return nodes, tensors


def _node(message: memoryview) -> Node:
    parts = list(_fields(message))

    def text(wanted: int) -> list[str]:
        return [bytes(_message(value)).decode() for field, value in parts if field == wanted]

    return Node((text(_NODE_OP) or [""])[0], (text(_NODE_NAME) or [""])[0], tuple(text(_NODE_INPUT)))


def _tensor(message: memoryview) -> tuple[str, Array]:
    shape: list[int] = []
    numbers: list[int] = []
    name, kind, raw = "", 1, b""
    for field, value in _fields(message):
        if field == _TENSOR_DIMS:
            shape += [value] if isinstance(value, int) else _packed(value)
        elif field == _TENSOR_TYPE:
            kind = int(value)
        elif field == _TENSOR_NUMBERS:
            numbers += [value] if isinstance(value, int) else _packed(value)
        elif field == _TENSOR_NAME:
            name = bytes(_message(value)).decode()
        elif field in (_TENSOR_RAW, _TENSOR_FLOATS):  # which look the same
            raw += bytes(_message(value))
    if numbers:
        return name, np.array(numbers, np.uint64).astype(_TYPES[kind]).reshape(shape)
    return name, np.frombuffer(raw, _TYPES[kind]).reshape(shape if raw else (0,))


def _packed(data: memoryview) -> list[int]:
    numbers, position = [], 0
    while position < len(data):
        number, position = _varint(data, position)
        numbers.append(number)
    return numbers


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of each field: a number, or the bytes of a text, array or message."""
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        field, wire_type = key >> 3, key & 7
        if wire_type == 0:
            value, position = _varint(data, position)
            yield field, value
            continue
        size = {1: 8, 5: 4}.get(wire_type)
        if size is None:
            size, position = _varint(data, position)
        yield field, data[position : position + size]
        position += size


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[position]
        position += 1
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return number, position


def _message(value: int | memoryview) -> memoryview:
    assert isinstance(value, memoryview)
    return value
