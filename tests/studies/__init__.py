"""Studies: what the methods reach, each one command, each image through int8 encoder, wire coder
and host decoder.
"""
