"""What a program says: to a terminal, a pipe, a results file."""
