"""Networks that come as a graph of operations in a file, rebuilt as torch modules.

Nothing of such a file is run: its operations are looked up in a table, and what the table does not
have is refused by name.

- `builder`: a `torch.fx` graph that grows value by value, with every constant folded
- `onnx_operators`, `onnx_layers`: what the operations of ONNX are in torch
- `onnx_file`: an ONNX file as a module, proved against onnxruntime
"""
