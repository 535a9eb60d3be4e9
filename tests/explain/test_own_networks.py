"""Small networks made of common blocks in all combinations, against plain autograd."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from live_gradcam.explain.classifier import Classifier
from tests.explain import own

CHANNELS = 8


class LayerNorm2d(nn.Module):
    """Layer norm over the channels of maps."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(CHANNELS)

    def forward(self, x: Tensor) -> Tensor:
        normed: Tensor = self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return normed


class Residual(nn.Module):
    """Two convolutions and a shortcut, with one ReLU for both; in place or not."""

    def __init__(self, inplace: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(CHANNELS)
        self.conv2 = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, groups=CHANNELS)
        self.relu = nn.ReLU(inplace=inplace)
        self.inplace = inplace

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv2(self.relu(self.bn1(self.conv1(x))))
        if self.inplace:
            out += x
        else:
            out = out + x
        summed: Tensor = self.relu(out)
        return summed


class Squeeze(nn.Module):
    """Channel attention that reads the batch's size from its input."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(CHANNELS, CHANNELS)

    def forward(self, x: Tensor) -> Tensor:
        count, channels, _, _ = x.size()
        weights = torch.sigmoid(self.fc(x.mean((2, 3)).view(count, channels)))
        return x * weights.view(count, channels, 1, 1).expand_as(x)


class Attention(nn.Module):
    """Self-attention over positions, around which its input flows."""

    def __init__(self) -> None:
        super().__init__()
        self.attend = nn.MultiheadAttention(CHANNELS, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.flatten(2).transpose(1, 2)
        attended = self.attend(tokens, tokens, tokens, need_weights=False)[0]
        summed: Tensor = x + attended.transpose(1, 2).reshape(x.shape)
        return summed


class Concatenation(nn.Module):
    """Two branches side by side, brought to as many channels as before."""

    def __init__(self) -> None:
        super().__init__()
        self.left = nn.Conv2d(CHANNELS, CHANNELS, 1)
        self.right = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1)
        self.both = nn.Conv2d(2 * CHANNELS, CHANNELS, 1)

    def forward(self, x: Tensor) -> Tensor:
        joined: Tensor = self.both(torch.cat([self.left(x), torch.relu(self.right(x))], 1))
        return joined


class Switch(nn.Module):
    """Code that looks at its numbers."""

    def forward(self, x: Tensor) -> Tensor:
        if x.mean() > 0.2:
            x = x * 1.5
        return x


BLOCKS: dict[str, Callable[[], nn.Module]] = {
    "batch norm": lambda: nn.BatchNorm2d(CHANNELS),
    "group norm": lambda: nn.GroupNorm(2, CHANNELS),
    "layer norm": LayerNorm2d,
    "depthwise": lambda: nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, groups=CHANNELS),
    "residual": lambda: Residual(inplace=False),
    "residual in place": lambda: Residual(inplace=True),
    "squeeze": Squeeze,
    "attention": Attention,
    "concatenation": Concatenation,
    "switch": Switch,
}
POOLINGS: dict[str, Callable[[Tensor], Tensor]] = {
    "mean": lambda x: x.mean((2, 3)),
    "mean and maximum": lambda x: x.mean((2, 3)) + x.amax((2, 3)),
    "view": lambda x: nn.functional.adaptive_avg_pool2d(x, 1).view(x.size(0), -1),
    "reshape": lambda x: nn.functional.adaptive_max_pool2d(x, 1).reshape(x.shape[0], -1),
    "flatten": lambda x: nn.functional.avg_pool2d(x, x.shape[-2:]).flatten(1),
}
HEADS: dict[str, Callable[[], nn.Module]] = {
    "linear": lambda: nn.Linear(CHANNELS, 5),
    "no bias": lambda: nn.Linear(CHANNELS, 5, bias=False),
    "several": lambda: nn.Sequential(
        nn.Dropout(0.3), nn.Linear(CHANNELS, 12), nn.BatchNorm1d(12), nn.GELU(), nn.Linear(12, 5)
    ),
}


def as_it_is(network: nn.Module) -> nn.Module:
    return network


def compiled(network: nn.Module) -> nn.Module:
    result = torch.compile(network)
    assert isinstance(result, nn.Module)
    return result


WRAPPERS: dict[str, Callable[[nn.Module], nn.Module]] = {
    "plain": as_it_is,
    "replicas": nn.DataParallel,
    "compiled": compiled,
    "sequential": nn.Sequential,
    "training": nn.Module.train,
}


class Assembled(nn.Module):
    """A stem, some blocks with one activation for all, the explained layer, pooling, a head."""

    def __init__(self, blocks: Sequence[str], pooling: str, head: str, *, by_input: bool) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, CHANNELS, 5, stride=4, padding=2)
        self.act = nn.ReLU()
        self.blocks = nn.ModuleList(BLOCKS[name]() for name in blocks)
        self.last = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1)
        self.head = HEADS[head]()
        self.pooling = pooling
        self.by_input = by_input

    def forward(self, inputs: Tensor) -> Tensor:
        count = inputs.shape[0]
        x = self.stem(inputs)
        for block in self.blocks:
            x = self.act(block(x))
        x = self.act(self.last(x))
        if self.by_input:
            x = nn.functional.interpolate(x, size=inputs.shape[-2:])
        scores: Tensor = self.head(POOLINGS[self.pooling](x))
        return scores.view(count, -1)


@seed(13)
@settings(
    max_examples=20,
    deadline=None,
    database=None,
    derandomize=False,
    suppress_health_check=list(HealthCheck),
)
@given(
    blocks=st.lists(st.sampled_from([*BLOCKS]), min_size=1, max_size=3),
    pooling=st.sampled_from([*POOLINGS]),
    head=st.sampled_from([*HEADS]),
    wrapper=st.sampled_from([*WRAPPERS]),
    by_input=st.booleans(),
    layer=st.sampled_from(["last", "stem", "blocks.0"]),
)
def test_every_network_is_explained_as_autograd_does(
    blocks: list[str], pooling: str, head: str, wrapper: str, by_input: bool, layer: str
) -> None:
    network = own.made(Assembled(blocks, pooling, head, by_input=by_input))
    wrapped = WRAPPERS[wrapper](network)
    name = f"0.{layer}" if wrapper == "sequential" else layer
    classifier = Classifier.from_module(wrapped, layer=name, preprocessing=own.PREPROCESSING)
    own.assert_explained(classifier, network.eval(), layer)
