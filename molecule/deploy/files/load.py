"""Ask a page all the time, and count: one line a second, and one for each request that fails.

Usage: load.py URL
"""

import sys
import time
import urllib.request

asked = failed = 0
shown = time.monotonic()
while True:
    asked += 1
    try:
        with urllib.request.urlopen(sys.argv[1], timeout=5) as answer:
            answer.read()
    except OSError as error:
        failed += 1
        print(f"failed {time.time():.3f} {error}")
    if time.monotonic() - shown > 1:
        shown = time.monotonic()
        print(f"asked {asked} {failed}")
    time.sleep(0.03)
