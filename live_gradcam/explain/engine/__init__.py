"""The engine: from ``uint8`` pixels to scores and evidence, eager, compiled or as a CUDA graph.

- `fused`: the network as one function, which all the others run.
- `runner`: runs batches through the best engine there is; the room's entrance.
- `runtime`: device, precision and threads, decided once.
- `batching`: the number of images in one forward.
- `compiled`, `compile_worker`, `package_cache`, `source_versions`, `winograd`: compiling beside a
  running session, in a child process, into the user's cache.
- `cuda_graphs`, `cuda`: capturing the network as a CUDA graph.
- `verify`: checks that a faster engine equals the network.
"""
