"""Tests, and the studies and drivers that are started as `python -m tests.NAME`; these speak on
every terminal.
"""

from link.output.terminal import readable_output

readable_output()
