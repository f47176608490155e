"""The unit of deployment: the folder that an export writes, a node is flashed with and a host
decodes by.
"""
