"""ONNX surgery without torch: makes an image classifier return class activation maps.

A file passes these modules in this order; ``add_cam.add_cam_to_file`` runs them:

    onnx_file        read the file, upgrade its opset, read and declare its picture input
    find_head        go back from the output to the feature maps; the result is a head.Head
    numpy_reference  run the source, and compute its maps in numpy: what the new file must return
    quantize         if requested: convert to fp16 or int8, and measure what that changes
    assemble         build the model: preprocessing before, maps behind (weights from gradcam)
    verify           compare every output with the reference; only then write the file

``camstream teach`` and the model ``person`` use backbone (the part before the pooling), neck (a
layer for small objects) and new_head (new classes); ``--refine`` uses refine. onnx_graph looks
tensors up and writes nodes for all of them.
"""
