"""Several hosts on one fleet: workers that share its nodes and may be killed at any moment."""
