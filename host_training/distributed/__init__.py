"""One encoder learned by many devices: what the server, its rivals and a simulated world do."""
