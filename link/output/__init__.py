"""What a program says: to a terminal, a pipe, a results file."""

from link.output import program, results
from link.output.console import Captured, Sent, TeamTold
from link.output.interruption import EXIT_CODE, loading
from link.output.notifier import Notifier
from link.output.outlet import open_outlets
from link.output.terminal import forget_output, readable_output, without_information
