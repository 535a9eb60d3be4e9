"""From a network to its trunk and its head, cut at the explained layer."""
