"""`latentlink make TARGET`: what `make TARGET` does; `check TARGETS` looks at the variables, `help`
shows them.

Variables come from make (MAKEFLAGS), or from the environment. Only the standard library is
imported: this runs before anything is installed.
"""

import os
import sys

from host_training.run import RunError
from latentlink.said import Said, StepError
from latentlink.targets import STEPS
from latentlink.variables import VariableError, help_text, read, read_flags


def main() -> int:
    command, *targets = sys.argv[1:] or ["help"]
    make_flags = os.environ.get("MAKEFLAGS", "")
    try:
        if command in ("help", "-h", "--help"):
            print(help_text())
        elif command == "check":
            read(make_flags, os.environ, targets)
        elif command not in STEPS:
            raise VariableError(f"there is no target {command}; there are {', '.join(STEPS)}")
        else:
            STEPS[command](
                Said(read(make_flags, os.environ, [command, *targets]), read_flags(make_flags)[0])
            )
    except (VariableError, RunError, OSError) as error:
        print(f"make: {error}", file=sys.stderr)
        return 2
    except StepError as failed:
        return failed.code
    except KeyboardInterrupt:
        return 130
    return 0
