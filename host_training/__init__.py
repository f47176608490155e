"""Make an encoder and its decoders from labelled images."""
