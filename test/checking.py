"""What console.py and monitoring.py share: checks, waiting, and the server that
PGHOST names.
"""

import socket
import subprocess
import time

PATIENCE = 180  # seconds until something that must come counts as missing

failed = []  # the names of the checks that have failed


def ok(holds, name, more=""):
    print("%s %s" % ("ok" if holds else "not ok", name), flush=True)
    if not holds:
        failed.append(name)
        if more:
            print("    " + str(more).replace("\n", "\n    "), flush=True)
    return holds


def equal(found, wanted, name):
    ok(found == wanted, name, "found %r\nwanted %r" % (found, wanted))


def wait_until(condition, what):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.2)
    raise AssertionError("waited in vain until " + what)


def psql(sql, database="shop"):
    return subprocess.run(["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", database],
                          input=sql, check=True, capture_output=True, text=True).stdout.strip()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]
