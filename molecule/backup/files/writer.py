"""Commits rows one by one and records outside of the server when each was sent and when it was acknowledged.

Usage: writer.py FIRST ROWS RECORD       a line of RECORD: number, sent, acknowledged; 0 where no answer came
"""

from __future__ import annotations

import contextlib
import hashlib
import sys
import time
from pathlib import Path
from typing import Any

import pymysql

RETRY_SECONDS = 0.2


def connect() -> Any:
    """A connection, as soon as the server takes one."""
    while True:
        with contextlib.suppress(pymysql.MySQLError):
            return pymysql.connect(unix_socket="/run/mysqld/mysqld.sock", user="root", database="koin_prod")
        time.sleep(RETRY_SECONDS)


def main(first: int, rows: int, record: Path) -> None:
    """Go on through every crash of the server. A number whose COMMIT got no answer is not used again."""
    connection = connect()
    with record.open("a", buffering=1) as file:
        for number in range(first, first + rows):
            text = hashlib.sha256(str(number).encode()).hexdigest()
            sent, acknowledged = time.time(), 0.0
            try:
                with connection.cursor() as cursor:
                    cursor.execute("INSERT INTO ledger VALUES (%s, %s)", (number, text))
                connection.commit()
                acknowledged = time.time()
            except pymysql.MySQLError:
                connection = connect()
            file.write(f"{number} {sent:.6f} {acknowledged:.6f}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
