"""Learning on a node: what a step of training is, in numpy alone; images never leave it."""
