"""What the host runs on a bundle's symbols."""
