"""An encoder cut into parts that several nodes run."""
