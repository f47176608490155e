"""The receiving end: packets to symbols to labels, stored and shown. Runs without torch and
TensorFlow.
"""
