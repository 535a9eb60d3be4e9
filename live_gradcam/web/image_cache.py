"""Visitors' images and what is known about them: one for each visitor, in bounded memory."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass, field

from live_gradcam.faithfulness.removal import Removal
from live_gradcam.values import Explanation, Image
from live_gradcam.web.limits import Limits
from live_gradcam.web.settings import CacheKey, ViewSettings

# Of so many visitors it is known that their image had to go.
_MOST_DROPPED = 1000


@dataclass(slots=True, eq=False)
class CachedImage:
    """A visitor's image and all that is known about it.

    Attributes:
        visitor: Its owner.
        image: ``uint8 (H, W, 3)`` BGR, as it was sent.
        name: The file's name, for records and downloads.
        token: Unguessable; downloads are asked for with it.
        explanations: By view, layer and method; with the maps of all classes where they cost
            nothing.
        removals: By the same and the class index; ``None`` where there is nothing to test.
        shown: Settings of the last answer to its owner.
    """

    visitor: str
    image: Image
    name: str
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    explanations: dict[CacheKey, Explanation] = field(default_factory=dict)
    removals: dict[tuple[CacheKey, int], Removal | None] = field(default_factory=dict)
    shown: ViewSettings | None = None

    @property
    def size_bytes(self) -> int:
        """Memory that it takes."""
        return int(self.image.nbytes) + self.map_bytes

    @property
    def map_bytes(self) -> int:
        """Memory that its maps take."""
        return sum(each.evidence.nbytes for each in list(self.explanations.values()))


class ImageCache:
    """Remembers one image for each visitor, up to a number and a size.

    Args:
        limits: The number and the size.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._images: OrderedDict[str, CachedImage] = OrderedDict()
        self._dropped: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, cached: CachedImage) -> None:
        """Remember an image instead of the visitor's last one; the longest unused ones go."""
        with self._lock:
            self._dropped.pop(cached.visitor, None)
            self._images[cached.visitor] = cached
            self._images.move_to_end(cached.visitor)
            self._make_room()

    def grow(self, cached: CachedImage, key: CacheKey, explanation: Explanation) -> None:
        """Remember an explanation; the image's oldest ones go, and the longest unused images."""
        with self._lock:
            known = cached.explanations
            known[key] = explanation
            while len(known) > 1 and cached.map_bytes > self._limits.map_bytes:
                del known[next(each for each in known if each != key)]
            if self._images.get(cached.visitor) is cached:
                self._make_room()

    def _make_room(self) -> None:
        while len(self._images) > 1 and (
            len(self._images) > self._limits.images
            or sum(each.size_bytes for each in self._images.values()) > self._limits.image_bytes
        ):
            visitor, dropped = self._images.popitem(last=False)
            self._dropped[visitor] = dropped.token
            if len(self._dropped) > _MOST_DROPPED:
                self._dropped.popitem(last=False)

    def get(self, visitor: str) -> CachedImage | None:
        """The visitor's image, if it is still remembered."""
        with self._lock:
            cached = self._images.get(visitor)
            if cached is not None:
                self._images.move_to_end(visitor)
            return cached

    def dropped(self, visitor: str) -> str | None:
        """The token of the visitor's image that had to make room; ``None`` if none had to."""
        with self._lock:
            return self._dropped.get(visitor)

    def find_token(self, token: str) -> CachedImage | None:
        """The image that a download asks for."""
        with self._lock:
            for cached in self._images.values():
                if secrets.compare_digest(cached.token.encode(), token.encode()):
                    return cached
        return None

    def remove(self, visitor: str) -> None:
        """Forget the visitor's image."""
        with self._lock:
            self._images.pop(visitor, None)
            self._dropped.pop(visitor, None)

    def __len__(self) -> int:
        return len(self._images)
