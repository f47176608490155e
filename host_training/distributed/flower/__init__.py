"""A run between machines: Flower's processes, what they carry, and who starts them. app.py alone
imports Flower; nothing here loads torch.
"""
