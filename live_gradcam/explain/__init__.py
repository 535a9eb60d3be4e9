"""From a checkpoint to explanations of images. Never windows or files of images.

The way of a checkpoint, each step a sub-room or a module:

- `networks`: the network that a name means, its weights, labels and preprocessing
- `cutting`: the network in two parts, a trunk and a head, cut at the explained layer
- `outputs`: what the network puts out, and the network with nothing but logits
- `heads`: from the layer's activations to scores and evidence
- `classifier`: the parts, proved to be the network, with their labels and preprocessing
- `layers`: the other layers at which it can be cut
- `load`: all of the above by name
- `methods`: Grad-CAM's relatives, and what makes their maps
- `engine`: batches on a device, in a precision, compiled as soon as that is ready
- `explainer`: from images to explanations

Beside it: `preprocess` (images as the network's input), `protocol` (what explains a batch),
`tracing` (networks as graphs) and `omp` (threads that leave nothing behind).
"""
