"""What stands behind the explained layer: scores, gradients and evidence."""
