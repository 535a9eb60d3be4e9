"""On air: what is shown, for any number of receivers.

`address` reads what an output names, `newest` and `records_feed` hold what receivers take,
`server` answers them, `http_sink` is the output.
"""
