"""What a network's images look like, as numbers, without torch.

`settings` holds a network's own preprocessing, `changes` what a user says about it, and `channels`
the names of input channels.
"""
