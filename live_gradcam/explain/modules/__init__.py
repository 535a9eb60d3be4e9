"""A user's own module: a copy of it, what it needs to run, and the layers that run in it.

- `copying`: a copy that shares nothing with the user's module, whatever hangs on it
- `hooks`: hooks of others, kept where they change the output
- `running`: one forward, whether it repeats itself, and what to say where it fails
- `replay`: a layer's output taken out of a forward, and put into another one
- `choosing`: the layer to explain where none is named
"""
