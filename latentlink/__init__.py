"""The one command, which hands over to the other packages; and what `make` runs: it reads what was
said, chooses run and bundle, and starts those commands in order.
"""
