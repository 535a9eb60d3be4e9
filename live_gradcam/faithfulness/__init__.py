# The removal test asks an explainer only, and so loads no torch.
__getattr__ = lazy_names(
    __name__,
    {
        "randomize": "cascading_randomization count_stages randomize_weights",
        "scoring": "NetworkInput Scorer",
    },
)
