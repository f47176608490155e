"""Pictures that a node keeps, for a person to label: which, and how they reach its card."""
