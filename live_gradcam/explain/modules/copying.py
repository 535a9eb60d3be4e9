"""Copies of modules that share nothing with the original, whatever hangs on it.

``copy.deepcopy`` of a module stops at a trainer, a lock, an open file or a weight that is computed
(the old ``weight_norm``). Here the modules, parameters and buffers are copied by themselves;
anything else is copied where it can be, and shared where it cannot.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn.parameter import is_lazy
from torch.nn.utils import parametrize
from typing_extensions import override

from live_gradcam.errors import ModelError

Memo = dict[int, Any]

# Attributes of every module that are not the network's own; most hold functions of others.
_BACKWARD_HOOKS = ("_backward_hooks", "_backward_pre_hooks")
_FORWARD_HOOKS = ("_forward_hooks", "_forward_pre_hooks")
_DROPPED = frozenset({*_BACKWARD_HOOKS, "_compiled_call_impl", "_is_full_backward_hook"})
_PLAIN = (type(None), bool, int, float, complex, str, bytes, torch.dtype, torch.Size, slice)


class ScriptedPart(nn.Module):
    """A part in TorchScript, which takes no hooks, in a module that does.

    Args:
        script: The part.
    """

    stays_whole = True

    def __init__(self, script: torch.jit.ScriptModule) -> None:
        super().__init__()
        self.script = script

    @override
    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.script(*args, **kwargs)


def unwrap(module: nn.Module) -> nn.Module:
    """Return the network inside ``torch.compile``'s, ``DataParallel``'s and the like's wrapper."""
    while True:
        inner = _wrapped(module)
        if inner is None:
            return module
        module = inner


def _wrapped(module: nn.Module) -> nn.Module | None:
    kinds = {each.__name__ for each in type(module).__mro__}
    if "OptimizedModule" in kinds:
        return module._modules.get("_orig_mod")
    if kinds & {"DataParallel", "DistributedDataParallel"}:
        return module._modules.get("module")
    return None


def require_weights(module: nn.Module) -> None:
    """Check that a module has numbers in all of its weights.

    Raises:
        ModelError: It is on the ``meta`` device, or has lazy layers that never ran.
    """
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        if is_lazy(tensor):
            cause = f"{name} has no shape yet, because a lazy layer has not run"
            step = "Run the network once on a picture's tensor before"
            raise ModelError("cannot use the network", type(module).__name__, cause, step)
        if tensor.is_meta:
            cause = f"{name} is on the meta device, which holds no numbers"
            step = "Load the network with its weights"
            raise ModelError("cannot use the network", type(module).__name__, cause, step)


def copy_module(module: nn.Module, memo: Memo | None = None) -> nn.Module:
    """Copy a module with its parameters, buffers and forward hooks.

    Args:
        module: Not modified.
        memo: What has been copied already, by the identities of the originals.
    """
    memo = {} if memo is None else memo
    copied = _copy_module(module, memo)
    for each in copied.modules():
        for name in _FORWARD_HOOKS:
            hooks = each.__dict__.get(name)
            if hooks:
                each.__dict__[name] = type(hooks)(
                    (key, _copy_value(hook, memo)) for key, hook in hooks.items()
                )
    return copied


def _copy_module(module: nn.Module, memo: Memo) -> nn.Module:
    module = unwrap(module)
    found = memo.get(id(module))
    if found is not None:
        return found  # type: ignore[no-any-return]
    if isinstance(module, (torch.jit.ScriptModule, fx.GraphModule)):  # these are made otherwise
        with torch.no_grad():
            whole: nn.Module = copy.deepcopy(module, memo)
        return whole
    new = object.__new__(type(module))
    memo[id(module)] = new
    # Modules first: anything else may point to them.
    children = {
        name: None if child is None else _copy_module(child, memo)
        for name, child in module._modules.items()
    }
    if not isinstance(module, ScriptedPart):
        for name, child in children.items():
            if isinstance(child, torch.jit.ScriptModule):
                children[name] = ScriptedPart(child)
    state = {}
    for name, value in module.__dict__.items():
        if name in _DROPPED:
            state[name] = value.__class__() if isinstance(value, dict) else None
        elif name == "_modules":
            state[name] = type(value)(children)
        elif name in ("_parameters", "_buffers"):
            state[name] = type(value)(
                (key, _copy_tensor(each, memo)) for key, each in value.items()
            )
        elif name in _FORWARD_HOOKS:  # these point anywhere, so they are copied last
            state[name] = type(value)(value)
        elif name.endswith(("_hooks", "_hooks_with_kwargs", "_hooks_always_called")):
            state[name] = copy.copy(value)
        else:
            state[name] = _copy_value(value, memo)
    new.__dict__.update(state)
    return new


def _copy_tensor(tensor: Tensor | None, memo: Memo) -> Tensor | None:
    if tensor is None:
        return None
    found: Tensor | None = memo.get(id(tensor))
    if found is None:
        found = tensor.detach().clone()
        if isinstance(tensor, nn.Parameter):
            found = nn.Parameter(found, requires_grad=False)
        memo[id(tensor)] = found
        memo.setdefault(id(memo), []).append(tensor)
    return found


def _copy_loose_tensor(tensor: Tensor, memo: Memo) -> Tensor:
    """Copy a tensor that is neither parameter nor buffer, so that a module's `to` misses it."""
    if id(tensor) not in memo:
        copied = tensor.detach().cpu().clone()
        is_half = copied.dtype in (torch.float16, torch.bfloat16)
        memo[id(tensor)] = copied.float() if is_half else copied
        memo.setdefault(id(memo), []).append(tensor)
    found: Tensor = memo[id(tensor)]
    return found


def _copy_value(value: Any, memo: Memo) -> Any:  # noqa: ANN401 - whatever hangs on a module
    if isinstance(value, _PLAIN):
        return value
    if id(value) in memo:
        return memo[id(value)]
    if isinstance(value, Tensor):
        return _copy_loose_tensor(value, memo)
    if isinstance(value, torch.device):
        return torch.device("cpu")  # where the copy is
    if isinstance(value, nn.Module):
        return _copy_module(value, memo)
    if type(value) in (dict, list, tuple, set):
        return _copy_container(value, memo)
    attempt = dict(memo)
    try:
        copied = copy.deepcopy(value, attempt)
    except Exception:  # strangers' objects refuse in many ways
        return value
    attempt.pop(id(attempt), None)
    memo.update(attempt)
    memo.setdefault(id(memo), []).append(value)
    return copied


def _copy_container(value: Any, memo: Memo) -> Any:  # noqa: ANN401
    if isinstance(value, dict):
        copied: Any = {}
        memo[id(value)] = copied
        copied.update({key: _copy_value(each, memo) for key, each in value.items()})
    elif isinstance(value, list):
        copied = []
        memo[id(value)] = copied
        copied.extend(_copy_value(each, memo) for each in value)
    else:
        copied = type(value)(_copy_value(each, memo) for each in value)
        memo[id(value)] = copied
    memo.setdefault(id(memo), []).append(value)
    return copied


def shell_of(network: nn.Module) -> nn.Module:
    """Copy a network's modules around the same parameters and buffers.

    What a forward leaves on its modules (features for later, a graph's proxies) stays on the shell.
    """
    shared: Memo = {}
    for tensor in (*network.parameters(), *network.buffers()):
        shared[id(tensor)] = tensor
    return copy_module(network, shared)


def settle_weights(network: nn.Module) -> None:
    """Make plain parameters of weights that are computed in each forward; in place.

    That is `torch.nn.utils.parametrize`, and the older ``weight_norm`` and ``spectral_norm``. The
    network must be in evaluation mode, and nobody else's.
    """
    for module in network.modules():
        for key, hook in [*module._forward_pre_hooks.items()]:
            if type(hook).__module__.startswith("torch.nn.utils.") and hasattr(hook, "name"):
                _settle_hook(module, key, hook)
        if parametrize.is_parametrized(module):
            _settle_parametrizations(module)


def _settle_hook(module: nn.Module, key: int, hook: Any) -> None:  # noqa: ANN401
    name = hook.name
    if hasattr(hook, "remove"):
        with torch.no_grad():
            hook.remove(module)
        del module._forward_pre_hooks[key]
        for kind in [*module._state_dict_hooks, *module._load_state_dict_pre_hooks]:
            module._state_dict_hooks.pop(kind, None)
            module._load_state_dict_pre_hooks.pop(kind, None)
    weight = getattr(module, name)
    delattr(module, name)
    module.register_parameter(name, nn.Parameter(weight.detach().clone(), requires_grad=False))


def _settle_parametrizations(module: nn.Module) -> None:
    parametrizations = module.parametrizations
    assert isinstance(parametrizations, nn.ModuleDict)
    with torch.no_grad():
        weights = {name: getattr(module, name).detach().clone() for name in parametrizations}
    # The class was made for the original module, too, so it is left and not changed.
    module.__class__ = type(module).__mro__[1]
    del module._modules["parametrizations"]
    for name, weight in weights.items():
        module.register_parameter(name, nn.Parameter(weight, requires_grad=False))
