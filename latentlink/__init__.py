"""What `make` runs: reads what was said, chooses run and bundle, and starts the other packages'
commands in order.
"""
