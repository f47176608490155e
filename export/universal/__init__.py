"""The universal node: one frozen encoder for questions that did not exist when it was flashed."""
