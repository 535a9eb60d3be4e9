"""On air: what is shown, for any number of receivers.

`address` reads what an output names, `newest` and `records_feed` hold what receivers take,
`server` answers them, `http_sink` is the output. `connections` and `receiver` are what it hears
them by, and keep it from those who say too little, too much, or take nothing. `push` is the output
to servers elsewhere: `push_process` feeds the process of `push_worker`, which connects and sends.
"""
