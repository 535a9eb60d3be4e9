"""Forward hooks that others registered: kept where they change the output, left out elsewhere.

A hook that scales a layer's output is a part of the network. One that collects features, counts or
prints is not, and must not be called for every picture.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from live_gradcam.explain.modules.outputs import same_outputs


def keep_hooks_that_matter(network: nn.Module, run: Callable[[], object]) -> None:
    """Remove the forward hooks without which the output stays the same.

    Args:
        network: Nobody else's.
        run: Runs the network on one image, always the same. Hooks that do not matter are called
            twice at most if none matters, else once for each hook.
    """
    hooks = [
        (table, key, hook)
        for module in network.modules()
        for table in (module._forward_pre_hooks, module._forward_hooks)
        for key, hook in table.items()
    ]
    if not hooks:
        return
    expected = _attempt(run)
    for table, key, _ in hooks:
        del table[key]
    if expected is None or same_outputs(expected, _attempt(run)):
        return
    for table, key, hook in hooks:
        table[key] = hook
    for table, key, _ in hooks:
        order = [*table.items()]
        del table[key]
        if not same_outputs(expected, _attempt(run)):
            table.clear()
            table.update(order)


def _attempt(run: Callable[[], object]) -> object:
    try:
        return run()
    except Exception:  # what the network or a hook of strangers raises
        return None
