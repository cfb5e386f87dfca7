#!/bin/bash
#
# What reads a binary value of an SDK's answer does not read that of a Lambda
# event: boto3's deserializer raises an error, and JavaScript's leaves base64,
# which becomes a string when it is written again.
#
# One would guess that the libraries for typed JSON read both, because an event of
# DynamoDB Streams has the same images as an answer of GetRecords, and handlers
# everywhere give them to these libraries.
#
# The SDK decodes base64 before its users see the record, and Lambda's runtimes for
# Python and JavaScript do not. TypeDeserializer then finds a str where it wants
# bytes, and raises a TypeError for the whole item. unmarshall() passes the text
# on, and after marshall() it is an S. Powertools for Python gives the text, too,
# and so does Powertools' parser for TypeScript.
#
# A table without bytea is read well for years, and the first bytea column stops a
# handler in Python, or lets one in JavaScript copy strings. A handler for a
# change stream decodes B and BS of each image first.

# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"
python_packages boto3==1.44.8 aws-lambda-powertools==3.37.0
npm_packages @aws-sdk/client-dynamodb@3.1141.0 @aws-sdk/util-dynamodb@3.996.9 \
	@aws-lambda-powertools/parser@2.35.0 zod@4.1.12
seen=$(
	python3 - <<'END'
from aws_lambda_powertools.utilities.data_classes import DynamoDBStreamEvent
from boto3.dynamodb.types import TypeDeserializer


def show(what, read):
    try:
        print(what, repr(read()), sep='\t')
    except TypeError:
        print(what, 'TypeError', sep='\t')


for value in ({'B': b'\x00\x01'}, {'B': 'AAE='}, {'BS': ['AAE=']}):
    show(f'boto3, {value}', lambda: TypeDeserializer().deserialize(value))
event = DynamoDBStreamEvent({'Records': [{'dynamodb': {'NewImage': {'b': {'B': 'AAE='}}}}]})
show('Powertools for Python', lambda: next(event.records).dynamodb.new_image)
END
	cd "$node_project"
	node --input-type=module - 2>/dev/null <<'END'
import { marshall, unmarshall } from '@aws-sdk/util-dynamodb';
import { DynamoDBMarshalled } from '@aws-lambda-powertools/parser/helpers/dynamodb';
import { z } from 'zod';

const fromEvent = { b: { B: 'AAE=' }, bs: { BS: ['AAE='] } };
const fromAnswer = { b: { B: new Uint8Array([0, 1]) } };
console.log(`JavaScript, an answer\t${unmarshall(fromAnswer).b.constructor.name}`);
console.log(`JavaScript, an event\t${unmarshall(fromEvent).b}`);
console.log(`JavaScript, an event, written again\t${JSON.stringify(marshall(unmarshall(fromEvent)))}`);
const image = DynamoDBMarshalled(z.object({ b: z.any() })).parse({ b: { B: 'AAE=' } });
console.log(`Powertools for TypeScript\t${image.b}`);
END
)
expect_lines "$seen" <<'END'
boto3, {'B': b'\x00\x01'}	Binary(b'\x00\x01')
boto3, {'B': 'AAE='}	TypeError
boto3, {'BS': ['AAE=']}	TypeError
Powertools for Python	{'b': 'AAE='}
JavaScript, an answer	Uint8Array
JavaScript, an event	AAE=
JavaScript, an event, written again	{"b":{"S":"AAE="},"bs":{"SS":["AAE="]}}
Powertools for TypeScript	AAE=
END
finish
