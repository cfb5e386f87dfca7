#!/bin/bash
#
# dynamodb-json takes a member named S, N, M or L for a type tag.
#
# One would guess that the names of an item's members are free: in typed JSON,
# tags and names alternate from level to level, so that they cannot be mixed up.
#
# It looks at each object by itself, from the inside out. A map with a member
# that is called like a tag is replaced by this member's value, and its other
# members are gone, without an error. boto3's TypeDeserializer keeps them.
#
# Names of columns are mostly lower-case, but those inside of a jsonb column are
# whatever an application chose, "N" for north, or "S", "M" and "L" for sizes.
# A change stream's own unmarshalling has to go by level.

# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"
python_packages dynamodb-json==1.4.2 boto3==1.44.8 botocore==1.44.8
cat >"$scratch/run.py" <<'END'
import json

from boto3.dynamodb.types import TypeDeserializer
from dynamodb_json import json_util

for name, image in (
        ("sizes", {"stock": {"M": {"S": {"S": "few"}, "M": {"S": "some"}, "XL": {"S": "none"}}}}),
        ("other names", {"stock": {"M": {"small": {"S": "few"}, "large": {"S": "none"}}}})):
    print(f"{name}, dynamodb-json\t{json_util.loads(json.dumps(image))}")
    print(f"{name}, boto3\t{TypeDeserializer().deserialize({'M': image})}")
END
seen=$(python3 "$scratch/run.py")
expect_lines "$seen" <<'END'
sizes, dynamodb-json	{'stock': 'few'}
sizes, boto3	{'stock': {'S': 'few', 'M': 'some', 'XL': 'none'}}
other names, dynamodb-json	{'stock': {'small': 'few', 'large': 'none'}}
other names, boto3	{'stock': {'small': 'few', 'large': 'none'}}
END
finish
