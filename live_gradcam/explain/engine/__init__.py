"""The engine: from ``uint8`` pixels to scores and evidence, in torch or as a graph elsewhere.

- `fused`: the network as one function, which all the others run.
- `runner`: runs batches through the best engine there is; the room's entrance.
- `runtime`: device, precision and threads, decided once.
- `batching`: the number of images in one forward.
- `compiled`, `compile_worker`, `package_cache`, `source_versions`, `winograd`: compiling beside a
  running session, in a child process, into the user's cache.
- `cuda_graphs`, `cuda`: capturing the network as a CUDA graph.
- `graphs`: the network's graph in OpenVINO or ONNX Runtime; `candidates` (which may run it),
  `graph_choice` (whether there is one), `graph_files` (exported in a child process, kept),
  `graph_use` (what is known of one), `graph_network` (tensors in and out), `trial` and `decisions`
  (which is fastest here).
- `threads`: how many compute an image when the machine is busy.
- `background_jobs`, `child_process`, `failures`: one thread, one child, errors of ours.
- `verify`: checks that a faster engine equals the network.
"""
