#!/bin/bash
#
# node-postgres reads numeric exactly and numeric[] inexactly.
#
# One would guess that an array holds what its elements would be by themselves:
# node-postgres gives a numeric as text, so that no digit is lost, and
# documents why.
#
# It parses the elements of numeric[] as JavaScript's numbers instead. Digits
# beyond the sixteenth or so are gone without an error, and 1.50 becomes 1.5.
# The elements of int8[] stay text, as an int8 does.
#
# A change stream writes numeric[] as {"L":[{"N":"…"}]} with all digits. A
# consumer that compares an image with the row as node-postgres reads it finds
# them different, though nothing was lost in the stream.

# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"
start_postgresql
npm_packages pg@8.23.1
cat >"$node_project/run.cjs" <<'END'
const pg = require('pg');
(async () => {
	const client = new pg.Client();
	await client.connect();
	const { rows: [row] } = await client.query(`select
		12345678901234567890.123 as "numeric",
		array[12345678901234567890.123, 1.50] as "numeric[]",
		9007199254740993::int8 as "int8",
		array[9007199254740993::int8] as "int8[]"`);
	for (const [name, value] of Object.entries(row))
		console.log(name + '\t' + JSON.stringify(value));
	await client.end();
})();
END
seen=$(node "$node_project/run.cjs")
expect_lines "$seen" <<'END'
numeric	"12345678901234567890.123"
numeric[]	[12345678901234567000,1.5]
int8	"9007199254740993"
int8[]	["9007199254740993"]
END
finish
