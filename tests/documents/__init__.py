"""What is told to people: the parts of docs/ that are made from the programs, and the commands in
it, which are run.
"""
