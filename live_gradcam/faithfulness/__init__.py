"""Is the explanation true? Removal tests, measures, and networks with random weights."""
