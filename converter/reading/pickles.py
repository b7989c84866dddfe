"""What a pickle would build, before anything builds it.

An unpickler hashes keys while it loads: a tuple that names its parts twice at every level takes for ever, one that is
nested deep enough ends the process, and an index of the memo alone can ask for gigabytes. So its program is followed
here without making an object: every value is a number, with the numbers of its parts.
Source: the opcodes as documented in CPython's pickletools.
"""

from __future__ import annotations

import pickle
import pickletools
from collections.abc import Callable, Mapping

from inflor.converter.reading.limits import MAX_DEPTH, MAX_PICKLED, MAX_STEPS

_ATOM = 0
"""Any value without parts."""
_ATOMS = frozenset(
    [
        "NONE",
        "NEWTRUE",
        "NEWFALSE",
        "INT",
        "BININT",
        "BININT1",
        "BININT2",
        "LONG",
        "LONG1",
        "LONG4",
        "FLOAT",
        "BINFLOAT",
        "STRING",
        "BINSTRING",
        "SHORT_BINSTRING",
        "UNICODE",
        "BINUNICODE",
        "SHORT_BINUNICODE",
        "BINUNICODE8",
        "BINBYTES",
        "SHORT_BINBYTES",
        "BINBYTES8",
        "GLOBAL",
    ]
)
_EMPTY = frozenset(("EMPTY_LIST", "EMPTY_DICT", "EMPTY_TUPLE", "EMPTY_SET"))
_OF_MARK = frozenset(("LIST", "DICT", "TUPLE", "FROZENSET"))
_OF_TOP = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3, "REDUCE": 2, "NEWOBJ": 2, "BINPERSID": 1}
_INTO = {"APPEND": 1, "SETITEM": 2, "BUILD": 1}
_MARK_INTO = frozenset(("APPENDS", "SETITEMS", "ADDITEMS"))
_PUT = frozenset(("PUT", "BINPUT", "LONG_BINPUT"))
_GET = frozenset(("GET", "BINGET", "LONG_BINGET"))


def check_pickle(data: bytes, most_protocol: int = pickle.HIGHEST_PROTOCOL) -> None:
    """Follow the program of a pickle.

    Raises:
        ValueError: it is of a later protocol, none, damaged, or longer than `MAX_STEPS`; it uses what plain data and
            arrays have no need of; or what it builds holds itself, is nested too deep, or has too many objects, each
            counted as often as it is named.
    """
    parts = _Machine().run(data, most_protocol)
    depth, weight = [1] * len(parts), [1] * len(parts)
    state = bytearray(len(parts))  # 1: its parts are being counted, 2: it is counted
    for start in range(len(parts)):
        stack = [start]
        while stack:
            value = stack[-1]
            if state[value] == 2:
                stack.pop()
            elif state[value] == 0:
                state[value] = 1
                for part in parts[value]:
                    if state[part] == 1:
                        raise ValueError("it holds itself")
                    if state[part] == 0:
                        stack.append(part)
            else:
                state[value] = 2
                stack.pop()
                weight[value] = 1 + sum(weight[part] for part in parts[value])
                depth[value] = 1 + max((depth[part] for part in parts[value]), default=0)
                if depth[value] > MAX_DEPTH:
                    raise ValueError(f"it is nested more than {MAX_DEPTH} deep")
                if weight[value] > MAX_PICKLED:
                    raise ValueError(f"it holds more than {MAX_PICKLED} objects")
    if sum(weight) > MAX_PICKLED:
        raise ValueError(f"it builds more than {MAX_PICKLED} objects")


class _Machine:
    """The stack and the memo of an unpickler, of numbers of values."""

    def __init__(self) -> None:
        self.parts: list[list[int]] = [[]]
        self.stack: list[int] = []
        self.marks: list[int] = []
        self.memo: dict[int, int] = {}

    def run(self, data: bytes, most_protocol: int) -> list[list[int]]:
        """The parts of every value that the pickle makes."""
        for count, (opcode, argument, _) in enumerate(pickletools.genops(data), 1):
            name = opcode.name
            if count > MAX_STEPS:
                raise ValueError(f"its program has more than {MAX_STEPS} steps")
            if name == "PROTO" and int(argument or 0) > most_protocol:
                raise ValueError(f"it was saved with pickle_protocol={argument}; save it with {most_protocol} or less")
            if name in _PUT or name == "MEMOIZE":
                self._put(len(self.memo) if argument is None else int(argument), count)
            elif name in _GET:
                if argument not in self.memo:
                    raise ValueError(f"it names the value {argument}, which it has not made")
                self.stack.append(self.memo[argument])
            elif not self._step(name):
                raise ValueError(f"it uses {name}, which plain data and arrays have no need of")
        return self.parts

    def _step(self, name: str) -> bool:
        if name in _ATOMS:
            self.stack.append(_ATOM)
        elif name in _EMPTY:
            self._make([])
        elif name in _OF_TOP:
            self._make(self._pop(_OF_TOP[name]))
        elif name in _INTO:
            self._into(self._pop(_INTO[name]))
        elif name in _OF_MARK:
            self._make(self._pop_mark())
        elif name in _MARK_INTO:
            self._into(self._pop_mark())
        elif name in _MOVES:
            _MOVES[name](self)
        else:
            return name in ("PROTO", "FRAME", "STOP")
        return True

    def _make(self, parts: list[int]) -> None:
        self.stack.append(len(self.parts))
        self.parts.append(parts)

    def _pop(self, count: int) -> list[int]:
        if len(self.stack) - (self.marks[-1] if self.marks else 0) < count:
            raise ValueError("it takes more values than it has made")
        found = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return found

    def _pop_mark(self) -> list[int]:
        if not self.marks:
            raise ValueError("it takes more values than it has made")
        return self._pop(len(self.stack) - self.marks.pop())

    def _into(self, parts: list[int]) -> None:
        if not self.stack:
            raise ValueError("it takes more values than it has made")
        if self.stack[-1] == _ATOM:
            raise ValueError("it puts parts into a value that has none")
        self.parts[self.stack[-1]] += parts

    def _put(self, index: int, count: int) -> None:
        if index > count:  # picklers count: an index far beyond only asks for memory
            raise ValueError(f"it keeps a value under the number {index} after {count} steps")
        if not self.stack:
            raise ValueError("it takes more values than it has made")
        self.memo[index] = self.stack[-1]

    def mark(self) -> None:
        self.marks.append(len(self.stack))

    def drop(self) -> None:
        if self.marks and self.marks[-1] == len(self.stack):
            self.marks.pop()
        else:
            self._pop(1)

    def double(self) -> None:
        self.stack += self._pop(1) * 2

    def name(self) -> None:
        self._pop(2)
        self.stack.append(_ATOM)


_MOVES: Mapping[str, Callable[[_Machine], object]] = {
    "MARK": _Machine.mark,
    "POP": _Machine.drop,
    "POP_MARK": _Machine._pop_mark,
    "DUP": _Machine.double,
    "STACK_GLOBAL": _Machine.name,
}
