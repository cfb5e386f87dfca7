#!/bin/bash
#
# dynamodb-json leaves a number with an exponent as typed JSON.
#
# One would guess that every N becomes a number: exponents are valid there, and
# AWS's own libraries write and read them.
#
# It looks for digits with at most a point and a sign. What has an exponent is
# kept as the dictionary {'N': '1E+41'}, in the place where a number was
# expected, and without an error.
#
# A change stream that shortens large numbers to an exponent, because other
# libraries count the written digits, is misread by this one. Neither way of
# writing suits all of them.

# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"
python_packages dynamodb-json==1.4.2
cat >"$scratch/run.py" <<'END'
from dynamodb_json import json_util

for number in "150", "-1.50", "1E+41", "1e2", "1" + 41 * "0":
    print(number + "\t" + repr(json_util.loads('{"n": {"N": "%s"}}' % number)["n"]))
END
seen=$(python3 "$scratch/run.py")
expect_lines "$seen" <<'END'
150	150
-1.50	-1.5
1E+41	{'N': '1E+41'}
1e2	{'N': '1e2'}
100000000000000000000000000000000000000000	100000000000000000000000000000000000000000
END
finish
