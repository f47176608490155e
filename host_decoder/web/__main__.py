"""`python -m host_decoder.web`: the page's process, as the host that listens starts it."""

import sys

from host_decoder.web.server import main

if __name__ == "__main__":
    sys.exit(main())
