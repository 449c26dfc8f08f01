"""A short text such as `alpha.frontal - theta` in, a function of the features' values out; nothing is ever executed.

The grammar: numbers, feature names (`alpha`, `alpha.occipital`, `raw.alpha.O1`; `feature["alpha.Fp1-M1"]` for names
that are no words), `+ - * / **`, parentheses, comparisons (1 or 0), the functions of FUNCTIONS, and `a | b`: the first
alternative whose features this headset has.  `|` binds more loosely than arithmetic, more tightly than comparisons.

Every result is finite: products, quotients and powers stop at ±LIMIT; divisors and logarithms closer to 0 than TINY are
taken as TINY; the root of a negative number is 0, and so is a power that is no real number.
"""

from __future__ import annotations

import ast
import difflib
import math
import operator
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

Function = Callable[[Sequence[float]], float]

LIMIT = 1e9
TINY = 1e-9
MAX_LENGTH = 400  # characters
MAX_DEPTH = 40


def _bounded(value: float) -> float:
    if -LIMIT <= value <= LIMIT:
        return value
    return math.copysign(LIMIT, value) if value == value else 0.0


def _multiply(a: float, b: float) -> float:
    return _bounded(a * b)


def _divide(a: float, b: float) -> float:
    return _bounded(a / (b if b >= TINY or b <= -TINY else math.copysign(TINY, b)))


def _power(a: float, b: float) -> float:
    try:
        return _bounded(math.pow(a, b))
    except ValueError:  # a negative number to a fraction, or 0 to a negative number
        return 0.0
    except OverflowError:
        return LIMIT if a > 0 or b % 2 == 0 else -LIMIT


def _mean(*values: float) -> float:
    return sum(values) / len(values)


def _clip(value: float, low: float = 0.0, high: float = 1.0) -> float:
    return min(max(value, low), high)


FUNCTIONS: Mapping[str, tuple[Callable[..., float], int, int]] = {  # name → function, fewest and most arguments
    "min": (min, 2, 64),
    "max": (max, 2, 64),
    "mean": (_mean, 1, 64),
    "abs": (abs, 1, 1),
    "clip": (_clip, 1, 3),
    "log": (lambda x: math.log(x if x > TINY else TINY), 1, 1),
    "exp": (lambda x: min(math.exp(min(x, 21.0)), LIMIT), 1, 1),
    "sqrt": (lambda x: math.sqrt(x) if x > 0 else 0.0, 1, 1),
}
_OPERATORS: Mapping[type[ast.AST], Callable[..., float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: _multiply,
    ast.Div: _divide,
    ast.Pow: _power,
    ast.Lt: lambda a, b: 1.0 if a < b else 0.0,
    ast.LtE: lambda a, b: 1.0 if a <= b else 0.0,
    ast.Gt: lambda a, b: 1.0 if a > b else 0.0,
    ast.GtE: lambda a, b: 1.0 if a >= b else 0.0,
}


@dataclass(frozen=True, slots=True)
class _Node:
    """A number, a feature's name, a function of `parts`, or (`what` is None) alternatives."""

    what: float | str | Callable[..., float] | None
    parts: tuple[_Node, ...] = ()


@dataclass(frozen=True, slots=True)
class Expression:
    """A checked expression; which of its features exist is known only once there is a headset."""

    text: str
    _root: _Node

    def features(self, available: Collection[str] | None = None) -> tuple[str, ...]:
        """Return the features it uses given what there is; without `available`, all that it names.

        Empty when it needs a feature that is not there, and for a constant.
        """
        root = self._root if available is None else _select(self._root, available)
        return () if root is None else tuple(dict.fromkeys(_names(root)))

    def resolvable(self, available: Collection[str]) -> bool:
        return _select(self._root, available) is not None

    def missing(self, available: Collection[str]) -> str:
        """Return, for people, which of its features are not there, with the nearest names that are."""
        absent = [name for name in self.features() if name not in available]
        return ", ".join(f"'{name}'{nearest(name, available)}" for name in absent)

    def compile(self, index: Mapping[str, int]) -> Function:
        """Return the function of a sequence of values in which feature `name` stands at `index[name]`.

        Raises KeyError when `resolvable(index)` is false.
        """
        root = _select(self._root, index)
        if root is None:
            raise KeyError(self.missing(index))
        return _build(root, index)


def parse(text: str) -> Expression:
    """Check the syntax.  Raises ValueError with a message for the person who wrote it."""
    if not text.strip():
        raise ValueError("is empty: name a feature, e.g. alpha.occipital")
    if len(text) > MAX_LENGTH:
        raise ValueError(f"is {len(text)} characters long; at most {MAX_LENGTH} are read")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # Python only warns about some broken numbers and strings
            tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError, Warning) as error:
        reason = getattr(error, "msg", None) or "it cannot be read"
        raise ValueError(f'{reason} in "{text}" (write unusual feature names as feature["alpha.Fp1-M1"])') from None
    return Expression(text, _read(tree.body, text, MAX_DEPTH))


def nearest(word: str, known: Collection[str]) -> str:
    """Return « (did you mean 'x'?)», or nothing when nothing is near."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f" (did you mean '{near[0]}'?)" if near else ""


def _read(node: ast.expr, text: str, depth: int) -> _Node:
    """Turn Python's syntax tree into ours, refusing everything that the grammar does not name."""
    if depth == 0:
        raise ValueError(f'is nested too deeply (more than {MAX_DEPTH} levels): "{text}"')

    def read(*nodes: ast.expr) -> tuple[_Node, ...]:
        return tuple(_read(child, text, depth - 1) for child in nodes)

    match node:
        case ast.Constant(value=bool()):
            pass
        case ast.Constant(value=int() | float() as number):
            if not abs(number) <= LIMIT:
                raise ValueError(f'the number {ast.get_source_segment(text, node)} in "{text}" is beyond ±{LIMIT:g}')
            return _Node(float(number))
        case ast.Name() | ast.Attribute():
            return _Node(_dotted(node, text))
        case ast.Subscript(value=ast.Name(id="feature"), slice=ast.Constant(value=str(name))):
            return _Node(name)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return read(operand)[0]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return _Node(operator.neg, read(operand))
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _Node(None, read(left, right))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _Node(_OPERATORS[type(op)], read(left, right))
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _OPERATORS:
            return _Node(_OPERATORS[type(op)], read(left, right))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
            return _Node(_function(name, len(arguments), text), read(*arguments))
    raise ValueError(f'"{ast.get_source_segment(text, node) or text}" in "{text}" is not part of an expression')


def _dotted(node: ast.expr, text: str) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value, text)}.{node.attr}"
    if isinstance(node, ast.Name):
        return node.id
    raise ValueError(f'"{text}": only a feature\'s name can have dots')


def _function(name: str, count: int, text: str) -> Callable[..., float]:
    if name not in FUNCTIONS:
        raise ValueError(
            f"there is no function '{name}'{nearest(name, FUNCTIONS)} in \"{text}\": {', '.join(FUNCTIONS)}"
        )
    function, fewest, most = FUNCTIONS[name]
    if not fewest <= count <= most:
        wanted = f"{fewest}" if fewest == most else f"{fewest} to {most}"
        raise ValueError(f'{name}() takes {wanted} values, not {count}, in "{text}"')
    return function


def _select(node: _Node, available: Collection[str]) -> _Node | None:
    """Replace alternatives by the first that can be computed; None when a feature is missing."""
    if isinstance(node.what, str):
        return node if node.what in available else None
    if node.what is None:
        return next((found for part in node.parts if (found := _select(part, available)) is not None), None)
    parts = [_select(part, available) for part in node.parts]
    present = tuple(part for part in parts if part is not None)
    return _Node(node.what, present) if len(present) == len(parts) else None


def _names(node: _Node) -> list[str]:
    return [node.what] if isinstance(node.what, str) else [name for part in node.parts for name in _names(part)]


def _build(node: _Node, index: Mapping[str, int]) -> Function:
    what = node.what
    if isinstance(what, str):
        return operator.itemgetter(index[what])
    if isinstance(what, float):
        constant = what
        return lambda values: constant
    assert what is not None  # _select has left no alternatives
    function, parts = what, [_build(part, index) for part in node.parts]
    if len(parts) == 1:
        (only,) = parts
        return lambda values: function(only(values))
    if len(parts) == 2:
        first, second = parts
        return lambda values: function(first(values), second(values))
    return lambda values: function(*[part(values) for part in parts])
