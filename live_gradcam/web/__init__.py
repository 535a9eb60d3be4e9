"""The page: a picture, a video or the browser's camera, explained. Gradio is imported only here."""
