#!/bin/bash
#
# The event parsers of Powertools for AWS Lambda refuse a userIdentity that is
# not of the expiry service.
#
# One would guess that type and principalId are strings, as in AWS's own model
# and in the libraries of Java, Go and JavaScript.
#
# In Python and in TypeScript alike, the parsers allow exactly Service and
# dynamodb.amazonaws.com. One record with another identity makes the parsing of
# the whole event fail, and with it the batch. The plain data classes of the
# Python library take any identity.
#
# A change stream that tells on whose behalf a row was changed, User:ada say,
# cannot be read by handlers that use these parsers. They have to extend the
# schema, or jobs have to write the identity of the expiry service only.

# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"
python_packages aws-lambda-powertools==3.37.0 pydantic==2.14.4
npm_packages @aws-lambda-powertools/parser@2.35.0 zod@4.6.7 @aws-sdk/util-dynamodb@3.996.9
cat >"$scratch/event.json" <<'END'
{"Records": [{
	"eventID": "0123456789abcdef0123456789abcdef", "eventName": "REMOVE", "eventVersion": "1.1",
	"eventSource": "aws:dynamodb", "awsRegion": "ddblocal",
	"eventSourceARN": "arn:aws:dynamodb:ddblocal:000000000000:table/t/stream/2026-01-02T03:04:05.678",
	"userIdentity": {"type": "TYPE", "principalId": "PRINCIPAL"},
	"dynamodb": {"ApproximateCreationDateTime": 1767323045.0, "Keys": {"id": {"N": "1"}},
		"SequenceNumber": "000000000000000000021", "SizeBytes": 4, "StreamViewType": "KEYS_ONLY"}}]}
END
sed 's/TYPE/Service/; s/PRINCIPAL/dynamodb.amazonaws.com/' "$scratch/event.json" >"$scratch/service.json"
sed 's/TYPE/User/; s/PRINCIPAL/ada/' "$scratch/event.json" >"$scratch/user.json"
cat >"$scratch/run.py" <<'END'
import json
import sys

from aws_lambda_powertools.utilities.data_classes import DynamoDBStreamEvent
from aws_lambda_powertools.utilities.parser import ValidationError
from aws_lambda_powertools.utilities.parser.models import DynamoDBStreamModel

event = json.load(open(sys.argv[1]))
print("data class\t" + next(DynamoDBStreamEvent(event).records).user_identity["principalId"])
try:
    DynamoDBStreamModel.model_validate(event)
    print("model\taccepted")
except ValidationError as error:
    print("model\trefused: " + " ".join(str(e["loc"][-1]) for e in error.errors()))
END
cat >"$node_project/run.mjs" <<'END'
import { readFileSync } from 'node:fs';
import { DynamoDBStreamSchema } from '@aws-lambda-powertools/parser/schemas/dynamodb';
const { success, error } = DynamoDBStreamSchema.safeParse(JSON.parse(readFileSync(process.argv[2])));
console.log('schema\t' + (success ? 'accepted' : 'refused: ' + error.issues.map(issue => issue.path.at(-1)).join(' ')));
END
for identity in service user; do
	seen+=$(python3 "$scratch/run.py" "$scratch/$identity.json" | sed "s/^/$identity, Python /")$'\n'
	seen+=$(node "$node_project/run.mjs" "$scratch/$identity.json" | sed "s/^/$identity, TypeScript /")$'\n'
done
expect_lines "$seen" <<'END'
service, Python data class	dynamodb.amazonaws.com
service, Python model	accepted
service, TypeScript schema	accepted
user, Python data class	ada
user, Python model	refused: type principalId
user, TypeScript schema	refused: type principalId
END
finish
