"""The node: capture, encode, send. It runs with numpy, LiteRT, pyserial, cryptography and reedsolo
alone.
"""
