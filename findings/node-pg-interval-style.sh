#!/bin/bash
#
# node-postgres reads every interval as empty once IntervalStyle is not the
# default one.
#
# One would guess an error, or the text as it came.
#
# Under iso_8601 and sql_standard each interval becomes an object without
# members, the same as for an interval of zero. No error is raised. A DateStyle
# that it does not know makes timestamps null, as if the column were NULL.
#
# A change stream writes intervals in ISO 8601, whatever the session says. An
# application that sets IntervalStyle so as to compare its rows with the images
# must not do so on the connection that node-postgres uses.

# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"
start_postgresql
npm_packages pg@8.23.1
cat >"$node_project/run.cjs" <<'END'
const pg = require('pg');
(async () => {
	const client = new pg.Client();
	await client.connect();
	const show = async (what, query) =>
		console.log(what + '\t' + JSON.stringify((await client.query(query)).rows[0].value));
	for (const style of ['postgres', 'iso_8601', 'sql_standard']) {
		await client.query(`set intervalstyle = ${style}`);
		await show(style, "select interval '2 days 03:04:05' as value");
	}
	await client.query('set datestyle = german');
	await show('timestamp, german', "select timestamptz '2026-01-02 03:04:05+00' as value");
	await client.end();
})();
END
seen=$(node "$node_project/run.cjs")
expect_lines "$seen" <<'END'
postgres	{"days":2,"hours":3,"minutes":4,"seconds":5}
iso_8601	{}
sql_standard	{}
timestamp, german	null
END
finish
