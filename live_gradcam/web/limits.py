"""Bounds of what visitors may ask of the page, in one table."""

from __future__ import annotations

from dataclasses import dataclass

MEGABYTE = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of the page.

    Attributes:
        file_bytes: Largest uploaded file.
        request_bytes: Largest request of any kind.
        message_bytes: Largest request that is not an upload.
        video_seconds: Longest video.
        video_long_side: Longer side of a video in pixels.
        video_short_side: Shorter side of a video in pixels.
        video_frames: Most frames of a video, whatever its rate.
        queue: Events that may wait for their turn.
        concurrency: Events of one kind that run at the same time.
        waiting_per_visitor: Images of one visitor that may wait for the network.
        batch: Images explained in one forward.
        cameras: Cameras that are shown at the same time.
        camera_seconds: Time after which a camera has to be started again.
        camera_idle_seconds: A camera that sends nothing for so long is forgotten.
        frame_bytes: Largest camera frame.
        frame_side: Longest side of a camera frame in pixels.
        lessons: Visitors who teach the network at the same time.
        lesson_classes: Classes that a visitor can teach, beside "anything else".
        lesson_examples: Frames that a visitor can teach.
        lesson_seconds: Time after which what was taught is forgotten.
        lesson_idle_seconds: What nobody asks for is forgotten after so long.
        images: Images that are remembered, so that controls need no second forward.
        image_bytes: Memory that remembered images may take.
        map_bytes: Memory that the maps of one image may take.
        cache_files: Uploaded and made files that are kept.
        cache_bytes: Disk space that kept files may take.
        cache_seconds: Time for which a file is kept.
        drawn_side: Longest side in pixels of the images that are drawn for a screen.
        camera_width: Largest width in pixels of the frames that are drawn for a screen.
    """

    file_bytes: int = 50 * MEGABYTE
    request_bytes: int = 60 * MEGABYTE
    message_bytes: int = MEGABYTE
    video_seconds: float = 60.0
    video_long_side: int = 1920
    video_short_side: int = 1080
    video_frames: int = 7_200
    queue: int = 16
    concurrency: int = 2
    waiting_per_visitor: int = 4
    batch: int = 8
    cameras: int = 16
    camera_seconds: float = 600.0
    camera_idle_seconds: float = 30.0
    frame_bytes: int = 4 * MEGABYTE
    frame_side: int = 1920
    lessons: int = 4
    lesson_classes: int = 9
    lesson_examples: int = 1000
    lesson_seconds: float = 1800.0
    lesson_idle_seconds: float = 90.0
    images: int = 32
    image_bytes: int = 512 * MEGABYTE
    map_bytes: int = 64 * MEGABYTE
    cache_files: int = 64
    cache_bytes: int = 512 * MEGABYTE
    cache_seconds: float = 1800.0
    drawn_side: int = 3840
    camera_width: int = 1280
