"""What is sent on air, measured: frames that carry their time, and the receivers that read it.

- `time_code`: the time as blocks in the frame, and the camera that draws them.
- `receivers`: processes of their own that receive as programs do, and say when they had what.
- `session`: a whole session, with its window, and what is known of the process.
- `bars`: one function for each promise.
"""
