"""Makes camstream models: torch networks and their weights in, one self-describing ONNX file out.

Reading order: ``networks`` (what is exported), ``to_onnx`` (the steps), ``assemble`` (the part
of the graph that makes the maps), ``verify`` (the proof).
"""
