"""The report of an archive: what a network looks at in very many files, on one page.

- `rows`: some rows as arrays
- `reading`: the archive on disk, in batches
- `groups`: figures of classes and folders, taken in as rows come
- `days`: figures of days, and which stand out
- `suspicion`: frames that look suspicious; `files`: what became of the files
- `findings`: all of it in one reading
- `tables`: classes and folders; `charts`: drawings; `page`: the page
"""
