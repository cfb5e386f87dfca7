#!/bin/bash
#
# dynamo-converters reads a number with an exponent and without a point as its
# first digits.
#
# One would guess Number(text), which reads all numbers that DynamoDB has, or an
# error.
#
# What has no point is read as an integer, and reading ends at the E: 1E+41 is 1,
# and so is 1E-10. 1.5E+41 has a point, and is right. No error is raised.
#
# A change stream that shortens large numbers to an exponent is misread here by
# the exponent's size, and only for round numbers. See also
# dynamodb-json-exponent.sh: a consumer tries its library with 1E+41 before it
# relies on it.

# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"
npm_packages dynamo-converters@9.1.1
cat >"$node_project/run.cjs" <<'END'
const { itemToData } = require('dynamo-converters');

for (const N of ['100', '1.5', '1000000000000000000000', '1.5E+41', '1E+41', '12E+40', '1E-10'])
	console.log(`${N}\t${itemToData({ n: { N } }).n}`);
END
seen=$(cd "$node_project" && node run.cjs)
expect_lines "$seen" <<'END'
100	100
1.5	1.5
1000000000000000000000	1e+21
1.5E+41	1.5e+41
1E+41	1
12E+40	12
1E-10	1
END
finish
