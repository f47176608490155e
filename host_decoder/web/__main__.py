"""`python -m host_decoder.web`: the page's process, as the host that listens starts it."""

import sys

from host_decoder.web.server import main
from link.output import readable_output

if __name__ == "__main__":
    readable_output()
    sys.exit(main())
