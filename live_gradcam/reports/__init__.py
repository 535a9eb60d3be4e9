"""What all reports share: one HTML file that needs nothing else, and how it looks.

- `page` makes a page of a room's own templates, with the style and the script of all of them
"""
