"""What keeps a program from working on this machine, found before it is started."""

from link.checkup.finding import Finding, prevents
from link.checkup.machine import account, check_disk, check_libraries, check_private, check_python
from link.checkup.ports import check_address, check_port, check_udp
