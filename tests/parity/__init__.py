"""Parity: both converters, TensorFlow's on Python 3.11 and onnx2tf's own from 3.12 on, make nodes
that say the same of the same images. What lies here was made on 3.11; no test of it wants PyTorch.
"""
