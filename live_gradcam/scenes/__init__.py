"""Generated scenes with ground truth: the demo, the tests, and the bundled network's training data.

`render_scene` renders one still scene, `MovingScene` the frames of a moving one. Both are functions
of their seed alone: the same seed gives the same pixels, in any order, in any thread. With every
image come the class and the mask of each object.

==============  ===============================================================================
`still`         still scenes
`motion`        moving scenes
`placement`     positions of objects, and what is visible of each
`sprites`       drawn objects: colours, paper, shadow, perspective
`shapes`        the classes as geometry
`strokes`       lines and fills that shapes are made of
`backgrounds`   what lies behind the objects, and light, noise and blur over all
==============  ===============================================================================
"""

from __future__ import annotations

from live_gradcam.scenes.motion import MovingScene
from live_gradcam.scenes.placement import MIN_VISIBLE, SceneObject
from live_gradcam.scenes.shapes import SCENE_CLASSES
from live_gradcam.scenes.still import Scene, render_scene

__all__ = ["MIN_VISIBLE", "SCENE_CLASSES", "MovingScene", "Scene", "SceneObject", "render_scene"]
