#!/bin/bash
#
# asyncpg changes how some numerics are written.
#
# One would guess that a numeric keeps its digits: asyncpg has a decimal type to
# put them into, and keeps the zeros of 1.50.
#
# A whole number with four or more zeros at its end comes back in scientific
# notation: 10000 is read as Decimal('1E+4'), while 1000 is not. The value is
# equal, but its text and its exponent are not what the server has.
#
# A change stream identifies a row by the text of its key's number. A consumer
# that makes this text from a value that asyncpg read misses the key for every
# ten-thousandth row.

# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"
start_postgresql
python_packages asyncpg==0.32.0
cat >"$scratch/run.py" <<'END'
import asyncio
import asyncpg


async def main():
    connection = await asyncpg.connect(host="127.0.0.1")
    for number in "1000", "10000", "120000", "10001", "1.50", "10000.0":
        row = await connection.fetchrow(f"select {number}::numeric, {number}::numeric::text")
        print(f"{row[1]}\t{row[0]}")
    await connection.close()


asyncio.run(main())
END
seen=$(python3 "$scratch/run.py")
expect_lines "$seen" <<'END'
1000	1000
10000	1E+4
120000	1.2E+5
10001	10001
1.50	1.50
10000.0	10000.0
END
finish
