"""Judgement of the names in a pickle: data, an object to skip, or something that could run code.

Nothing that a pickle names is ever imported or called, so what stands here does not decide whether
a file is safe to read: it is. It decides what is said. A file that asks for a call of a function,
or for anything of Python's own library beyond plain values, was not written by a training run, and
no number in it deserves trust.
"""

from __future__ import annotations

import re
import sys

_FUNCTIONS = frozenset(
    {
        "_codecs.encode",
        "copyreg.__newobj__",
        "copyreg._reconstructor",
        "logging.getLogger",
        "pandas._libs.internals._unpickle_block",
        "pandas.core.indexes.base._new_Index",
        "re._compile",
        "torch._tensor._rebuild_from_type_v2",
        "torch.serialization._get_layout",
        "torch.device",
        "torch.dtype",
        "numpy.dtype",
        "numpy.ndarray",
    }
)
_FUNCTION_PATTERN = re.compile(
    r"torch\._utils\._rebuild_\w+"
    r"|numpy\.(_?core)\.(multiarray\.(scalar|_reconstruct)|numeric\._frombuffer)"
    r"|numpy\.random\._pickle\.__(randomstate|generator|bit_generator)_ctor"
    r"|numpy\.random\.\w+\.__pyx_unpickle_\w+"
    r"|numpy\.ma\.core\._mareconstruct"
)
# Of Python's own library: values, and containers of values.
_VALUES = re.compile(
    r"argparse\.Namespace"
    r"|builtins\.(bool|bytearray|bytes|complex|dict|float|frozenset|int|list|object|range|set"
    r"|slice|str|tuple)"
    r"|collections\.(Counter|OrderedDict|UserDict|UserList|defaultdict|deque)"
    r"|datetime\.(date|datetime|time|timedelta|timezone)"
    r"|decimal\.Decimal|fractions\.Fraction|uuid\.UUID|random\.Random"
    r"|functools\.partial|types\.(SimpleNamespace|NoneType)"
    r"|pathlib\.(_local\.)?(Pure)?(Posix|Windows)?Path"
    r"|re\.Pattern|logging\.Logger"
    r"|typing\.\w+|dataclasses\._\w+|enum\.\w+"
)
_CLASS = re.compile(r"_*[A-Z]\w*")
_PYTHONS_OWN = frozenset(sys.stdlib_module_names) | {"__builtin__", "__builtins__"}


def may_stand(module: str, name: str) -> bool:
    """Return ``True`` if a file of weights may mention this class or function."""
    full = f"{module}.{name}"
    if module.partition(".")[0] in _PYTHONS_OWN:
        return full in _FUNCTIONS or bool(_VALUES.fullmatch(full))
    return True


def may_be_called(full_name: str) -> bool:
    """Return ``True`` if a file of weights may make something by calling this.

    Classes are called for their objects, enumerations for their members; functions are called by
    programs only, except the few that restore data.
    """
    if full_name in _FUNCTIONS or _FUNCTION_PATTERN.fullmatch(full_name):
        return True
    if full_name.partition(".")[0] in _PYTHONS_OWN:
        return bool(_VALUES.fullmatch(full_name))
    return bool(_CLASS.fullmatch(full_name.rpartition(".")[2]))


def is_constant(owner: str, attribute: object) -> bool:
    """Return ``True`` if an attribute that is asked for is a member of an enumeration."""
    own = owner.partition(".")[0] in _PYTHONS_OWN
    return not own and isinstance(attribute, str) and attribute.isupper()
