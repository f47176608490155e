"""What makes a node of a Linux machine: service, installer, and a word to systemd."""
