"""Makes camstream models with torch: a network and its weights in, one self-describing file out.

Reading order: ``networks`` (what can be exported), ``source`` (a network with its weights),
``to_onnx`` (the steps of an export); then ``train`` (a network for the user's own classes) and
``demos`` (networks trained on drawn images). ``person`` made the head of the shipped model
``person``; the wheel does not contain it. The graph work that needs no torch is in
``camstream.graph``.
"""
