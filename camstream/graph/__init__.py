"""ONNX graphs: finds heads, adds maps, makes files smaller; no torch."""
