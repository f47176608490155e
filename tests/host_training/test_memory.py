"""What is freed is not given back to the kernel, to be asked for again by the next batch."""

import subprocess
import sys

import pytest

PROBE = """
import resource, sys
from host_training.memory import keep_freed
if sys.argv[1] == "keep" and not keep_freed():
    sys.exit(3)
import numpy as np
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
np.ones(1 << 23)
before = faults()
for _ in range(10):
    np.ones(1 << 23)  # 64 MiB
print(faults() - before)
"""


def page_faults(how: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", PROBE, how], capture_output=True, text=True, check=False
    )
    if done.returncode == 3:
        pytest.skip("this C library has no mallopt")
    assert not done.returncode, done.stderr
    return int(done.stdout)


def test_a_large_array_finds_the_pages_of_the_one_before() -> None:
    kept, given_back = page_faults("keep"), page_faults("give back")
    assert 10 * kept < given_back
