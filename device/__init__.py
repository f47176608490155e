"""The node: capture, encode, send. It runs with numpy, LiteRT, pyserial and cryptography alone."""
