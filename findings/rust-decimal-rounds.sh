#!/bin/bash
#
# rust_decimal rounds numerics with many digits after the point, without an error,
# and refuses those with many before it.
#
# One would guess that a value which does not fit is an error whatever side of the
# point it is too long on: it is one for 10^30 and for NaN, and the type is
# there to be exact.
#
# What is read from PostgreSQL is rounded to 28 digits after the point, or to
# fewer if there are many before it: 1e-29 is zero. from_str_exact() of the same
# digits is an error.
#
# A change stream has all digits of a numeric. A consumer in Rust that compares a
# record's number, or a key, with the row that it reads finds another one, and
# keys that differ may be equal here. It reads such a numeric as text.

# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"
start_postgresql
rust_packages 'postgres = "=0.19.13"' 'rust_decimal = { version = "=1.42.1", features = ["db-postgres"] }'
cat >"$rust_project/src/main.rs" <<'END'
use postgres::{Client, NoTls};
use rust_decimal::Decimal;

fn main() {
    let port = std::env::var("PGPORT").unwrap();
    let server = format!("host=127.0.0.1 port={port} user=postgres dbname=postgres");
    let mut client = Client::connect(&server, NoTls).unwrap();
    for value in ["1.50", "0.0000000000000000000000000001", "1e-29", "12345678901234567890.12345678911", "1e28", "1e30", "NaN"] {
        let row = client.query_one(&format!("select '{value}'::numeric"), &[]).unwrap();
        let read = row.try_get::<_, Decimal>(0).map_or("refused".into(), |decimal| decimal.to_string());
        println!("{value}\t{read}");
    }
    let text = "0.00000000000000000000000000001";
    println!("text, exactly\t{}", Decimal::from_str_exact(text).map_or("refused".into(), |decimal| decimal.to_string()));
}
END
seen=$(run_rust)
expect_lines "$seen" <<'END'
1.50	1.50
0.0000000000000000000000000001	0.0000000000000000000000000001
1e-29	0.0000000000000000000000000000
12345678901234567890.12345678911	12345678901234567890.123456789
1e28	10000000000000000000000000000
1e30	refused
NaN	refused
text, exactly	refused
END
finish
