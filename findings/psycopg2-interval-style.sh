#!/bin/bash
#
# psycopg2 reads intervals wrong, without an error, under two of the four
# IntervalStyles.
#
# One would guess that it refuses a style that it cannot read: it does so for
# iso_8601, with a message that says so.
#
# Under sql_standard one day and two hours become twelve hours, and an interval
# with months changes its sign. Under postgres_verbose the hours are dropped,
# and "1 day ago" becomes one day ahead. psycopg 3 refuses all three styles.
#
# A change stream must render intervals in a style of its own. One that used the
# session's would be read right or wrong depending on the writer.

# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"
start_postgresql
python_packages psycopg2-binary==2.9.13 psycopg==3.3.9 psycopg-binary==3.3.9
cat >"$scratch/run.py" <<'END'
import psycopg
import psycopg2

intervals = ["1 day 02:00:00", "1 mon 2 days 03:04:05", "-1 day"]
for driver in psycopg2, psycopg:
    connection = driver.connect("")
    cursor = connection.cursor()
    for style in "postgres", "iso_8601", "sql_standard", "postgres_verbose":
        for interval in intervals:
            cursor.execute(f"set intervalstyle = {style}")
            try:
                cursor.execute(f"select interval '{interval}'")
                seen = cursor.fetchone()[0]
            except (NotImplementedError, driver.NotSupportedError):
                seen = "refused"
                connection.rollback()
            print(f"{driver.__name__} {style} {interval}\t{seen}")
END
seen=$(python3 "$scratch/run.py")
expect_lines "$seen" <<'END'
psycopg2 postgres 1 day 02:00:00	1 day, 2:00:00
psycopg2 postgres 1 mon 2 days 03:04:05	32 days, 3:04:05
psycopg2 postgres -1 day	-1 day, 0:00:00
psycopg2 iso_8601 1 day 02:00:00	refused
psycopg2 sql_standard 1 day 02:00:00	12:00:00
psycopg2 sql_standard 1 mon 2 days 03:04:05	-6 days, 20:55:55
psycopg2 sql_standard -1 day	-1 day, 14:00:00
psycopg2 postgres_verbose 1 day 02:00:00	1 day, 0:00:00
psycopg2 postgres_verbose 1 mon 2 days 03:04:05	32 days, 0:00:00
psycopg2 postgres_verbose -1 day	1 day, 0:00:00
psycopg iso_8601 1 day 02:00:00	refused
psycopg sql_standard 1 day 02:00:00	refused
psycopg postgres_verbose 1 day 02:00:00	refused
END
finish
