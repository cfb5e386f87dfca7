#!/usr/bin/python3
"""ddbstreams.dynamodb_numbers against the rules of AWS's library for Python.

boto3's TypeDeserializer makes a Decimal under a context of 38 digits whose
traps raise an error at anything that is not exact.  Numbers of every form are
written to a table, alone and in json, arrays and composite types, and read:

* a number that DynamoDB can hold is N, equal, has 38 written digits at most,
  and is taken by that context, unless it is nearer to zero than the context's
  smallest normal numbers are: DynamoDB holds these with 38 digits, boto3 takes
  fewer;
* any other number is S, as it is without the setting.

To see it fail: test/mutations/run dynamodb-numbers-as-they-are
dynamodb-numbers-rendered-as-captured.
"""

import decimal
import json
import os
import random
import subprocess
import sys

ROUNDS = int(os.environ.get('ROUNDS', 5))
CASES = 2000  # of a round

BOTO3 = decimal.Context(Emin=-128, Emax=126, prec=38, traps=[
    decimal.Clamped, decimal.Overflow, decimal.Inexact, decimal.Rounded, decimal.Underflow])
EXACT = decimal.Context(prec=100000, Emin=-10 ** 7, Emax=10 ** 7, traps=[decimal.Inexact, decimal.InvalidOperation])
SMALLEST = decimal.Decimal('1e-130')
LARGEST = decimal.Decimal('9.9999999999999999999999999999999999999E+125')


def sql(text):
    done = subprocess.run(['psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', 'postgres'], input=text, text=True,
                          capture_output=True)
    if done.returncode != 0:
        sys.exit(done.stderr)
    return done.stdout


def number():
    """A number's text, as JSON and PostgreSQL read it; often at a limit."""
    count = random.choice([1, 2, 5, 17, 36, 37, 38, 39, 40, random.randrange(1, 80)])
    digits = ''.join(random.choice('0000123456789') for _ in range(count))
    if random.random() < 0.2:
        digits = random.choice(['9', '1', '0']) * count
    if random.random() < 0.3:
        digits += '0' * random.choice([1, 3, 38, 90])
    point = random.choice([0, 0, 1, 2, random.randrange(len(digits) + 1)])
    digits = digits.lstrip('0') if point == 0 else digits
    whole, fraction = digits[:len(digits) - point].lstrip('0') or '0', digits[len(digits) - point:]
    text = random.choice(['', '-']) + whole + ('.' + fraction if fraction else '')
    if random.random() < 0.6:
        text += random.choice('eE') + random.choice(['', '+', '-']) + str(random.choice(
            [0, 1, 37, 38, 39, 88, 124, 125, 126, 127, 129, 130, 131, 165, 166, 167, random.randrange(300)]))
    return text


def written_digits(text):
    return sum(c.isdigit() for c in text.upper().split('E')[0])


def significant(value):
    digits = ''.join(map(str, value.as_tuple().digits)).strip('0')
    return len(digits)


def check(held, plain, faults):
    """Compares an attribute value under the setting with the one without."""
    value = EXACT.create_decimal(plain['N'])
    fits = value == 0 or significant(value) <= 38 and SMALLEST <= value.copy_abs() <= LARGEST
    if not fits:
        if held != {'S': plain['N']}:
            faults.append(('no string', plain, held))
        return
    text = held.get('N')
    if text is None or EXACT.create_decimal(text) != value:
        faults.append(('another number', plain, held))
    elif written_digits(text) > 38:
        faults.append(('too many digits', plain, held))
    elif value == 0 or value.adjusted() - significant(value) + 1 >= BOTO3.Etiny():
        try:
            BOTO3.create_decimal(text)
        except decimal.DecimalException as e:
            faults.append((type(e).__name__, plain, held))


def leaves(value):
    """The attribute values N and S of an image, in order."""
    if 'L' in value:
        return [leaf for element in value['L'] for leaf in leaves(element)]
    if 'M' in value:
        return [leaf for element in value['M'].values() for leaf in leaves(element)]
    return [value]


def main():
    seed = int(os.environ.get('SEED', random.randrange(10 ** 9)))
    random.seed(seed)
    print('seed', seed)
    sql("""
        create extension if not exists ddbstreams;
        create type pair as (n numeric, j json);
        create table numbers (id int primary key, n numeric, ns numeric[], j json, jb jsonb, p pair);
        select ddbstreams.enable_stream('numbers', shard_count => 1);
        create function read(setting text) returns setof json language plpgsql as $$
        declare
            iterator text := ddbstreams.get_shard_iterator(arn, shard_id, 'TRIM_HORIZON')
                from ddbstreams.latest_stream_arn('numbers') as arn, ddbstreams.describe_stream(arn);
            page json;
        begin
            perform set_config('ddbstreams.dynamodb_numbers', setting, true);
            loop
                page := ddbstreams.aws('GetRecords', json_build_object('ShardIterator', iterator));
                return query select r->'dynamodb'->'NewImage' from json_array_elements(page->'Records') as r
                    where r->>'eventName' = 'INSERT';
                exit when json_array_length(page->'Records') = 0;
                iterator := page->>'NextShardIterator';
            end loop;
        end $$""")
    faults = []
    count = 0
    for _ in range(ROUNDS):
        rows = []
        for i in range(CASES // 5):
            a, b, c, d, e = (number() for _ in range(5))
            rows.append("(%d, %s, '{%s,%s}', '[%s]', '{\"x\": %s}', row(%s, '%s'))" % (i, a, a, b, c, d, e, a))
        sql('insert into numbers values ' + ',\n'.join(rows))
        plain, held = (sql("select read('%s')" % setting).splitlines() for setting in ('off', 'on'))
        assert len(plain) == len(held) == len(rows), (len(plain), len(held), len(rows))
        for p, h in zip(plain, held):
            p, h = (leaves({'M': json.loads(text)}) for text in (p, h))
            assert len(p) == len(h)
            for x, y in zip(p, h):
                check(y, x, faults)
                count += 1
        sql("""delete from numbers;
            select ddbstreams.disable_stream('numbers'), ddbstreams.enable_stream('numbers', shard_count => 1)""")
    for fault in faults[:20]:
        print(*fault)
    print('%d numbers, %d faults' % (count, len(faults)))
    sys.exit(1 if faults or count < ROUNDS * CASES else 0)


if __name__ == '__main__':
    main()
