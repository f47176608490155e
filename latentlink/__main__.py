"""`python -m latentlink TARGET`: what `make TARGET` does; `check TARGETS` looks at the variables,
`help` shows them.

Variables come from make (MAKEFLAGS), or from the environment. Only the standard library is
imported: this runs before anything is installed.
"""

import os
import sys

from host_training.run import RunError
from latentlink.said import Said, StepError
from latentlink.targets import STEPS
from latentlink.variables import VariableError, help_text, read, read_flags
from link.output import readable_output


def main(arguments: list[str]) -> int:
    readable_output()
    command, *targets = arguments
    make_flags = os.environ.get("MAKEFLAGS", "")
    try:
        if command == "help":
            print(help_text())
        elif command == "check":
            read(make_flags, os.environ, targets)
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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
