"""What an ONNX file may hold before ONNX Runtime sees it, read without the onnx package. Knows the format; runs nothing."""
