"""From a name or a checkpoint to a network with its weights and labels."""
