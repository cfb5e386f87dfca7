# Send the same valid requests to ddbstreams-gateway and to moto's server, and
# compare the answers member by member.
#
#   side_by_side.py MOTO_URL DOCUMENT
#
# prints a row for each difference, as the table of DOCUMENT (docs/aws-side-by-side.md)
# has it, with the reason that stands there; then "ok" or "not ok" for the
# operations, for differences without a row, and for rows without a difference.

import json
import re
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from os import environ

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

REGION = environ['AWS_REGION']
CREDENTIALS = Credentials(environ['AWS_ACCESS_KEY_ID'], environ['AWS_SECRET_ACCESS_KEY'])
JSON_SERVICES = {'streams': 'DynamoDBStreams_20120810', 'dynamodb': 'DynamoDB_20120810'}

# What is equal if it looks alike: these are never the same in two services.
LOOKS = [
    ('a table\'s ARN', r'arn:aws:dynamodb:[a-z0-9-]+:\d{12}:table/\w+'),
    ('a stream\'s ARN', r'arn:aws:dynamodb:[a-z0-9-]+:\d{12}:table/\w+/stream/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}'),
    ('a stream\'s label', r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}'),
    ('a stream\'s ARN, to the microsecond',
     r'arn:aws:dynamodb:[a-z0-9-]+:\d{12}:table/\w+/stream/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}'),
    ('a stream\'s label, to the microsecond', r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}'),
    ('a shard\'s id', r'shardId-\d{20}-[0-9a-f]{8}'),
    ('a sequence number', r'\d{21,40}'),
    ('an iterator', r'arn:aws:dynamodb:[a-z0-9-]+:\d{12}:table/\w+/stream/[^|]+\|\d\|[A-Za-z0-9+/=]+'),
    ('a UUID', r'[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}'),
    ('32 hexadecimal digits', r'[0-9a-f]{32}'),
    ('a mapping\'s ARN', r'arn:aws:lambda:[a-z0-9-]+:\d{12}:event-source-mapping:[0-9a-f-]{36}'),
]
TIMES = ('DateTime', 'LastModified')
# Their members are a table's columns.
IMAGES = ('Keys', 'NewImage', 'OldImage')


class Service:
    def __init__(self, url):
        self.url = url
        # what an earlier answer said, for the next request
        self.known = {}

    def send(self, method, path, service, headers, body):
        request = AWSRequest(method, self.url + path, headers=headers, data=body)
        SigV4Auth(CREDENTIALS, service, REGION).add_auth(request)
        sent = urllib.request.Request(self.url + path, data=body if method != 'GET' else None,
                                      headers=dict(request.headers), method=method)
        try:
            with urllib.request.urlopen(sent) as answer:
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read()
        try:
            return status, json.loads(text or b'{}')
        except ValueError:
            # a page of HTML: the status is all that it says
            return status, {}

    def call(self, service, operation, request):
        return self.send('POST', '/', 'dynamodb', {
            'X-Amz-Target': f'{JSON_SERVICES[service]}.{operation}',
            'Content-Type': 'application/x-amz-json-1.0'}, json.dumps(request).encode())

    def call_lambda(self, method, path, query, request):
        path += '?' + urllib.parse.urlencode(query, doseq=True) if query else ''
        body = b'' if request is None else json.dumps(request).encode()
        return self.send(method, path, 'lambda', {'Content-Type': 'application/json'}, body)


def psql(command):
    subprocess.run(['psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-c', command], check=True)


# --- comparing --------------------------------------------------------------------

# the operations, by member and what the two have there
found = {}


def difference(operation, member, ours, theirs):
    found.setdefault((f'`{member}`' if member else 'the status', ours, theirs), set()).add(operation)


def kind(member, value):
    """What a value is compared by, and shown as."""
    if isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, (int, float)):
        # a table's files grow by pages
        if member == 'TableSizeBytes' and value > 0:
            return 'more than 0'
        return 'a time' if member.endswith(TIMES) else json.dumps(value)
    if isinstance(value, str):
        for name, look in LOOKS:
            if re.fullmatch(look, value):
                return name
    return f'`{json.dumps(value, sort_keys=True)}`'


def compare(operation, member, ours, theirs):
    # operations that answer with the same description differ alike
    if member in ('Table', 'TableDescription', 'EventSourceMappings'):
        if isinstance(ours, list) and len(ours) != len(theirs):
            difference(operation, member, f'{len(ours)} elements', f'{len(theirs)} elements')
        for one, other in zip(ours, theirs) if isinstance(ours, list) else [(ours, theirs)]:
            compare(operation, '', one, other)
        return
    if member.rpartition('.')[2] in IMAGES:
        ours, theirs = (json.dumps(value, sort_keys=True) for value in (ours, theirs))
        if ours != theirs:
            difference(operation, member, f'`{ours}`', f'`{theirs}`')
    elif isinstance(ours, dict) and isinstance(theirs, dict):
        for name in sorted({*ours, *theirs}):
            inner = f'{member}.{name}' if member else name
            # a member that is null counts as absent, for every client
            one, other = ours.get(name), theirs.get(name)
            if one is None and other is None:
                continue
            if one is None or other is None:
                difference(operation, inner, *('none' if value is None else shown(inner, value) for value in (one, other)))
            else:
                compare(operation, inner, one, other)
    elif isinstance(ours, list) and isinstance(theirs, list):
        if len(ours) != len(theirs):
            difference(operation, member, f'{len(ours)} elements', f'{len(theirs)} elements')
        for one, other in zip(ours, theirs):
            compare(operation, member, one, other)
    elif member.endswith('.SizeBytes') and ours != theirs:
        # moto counts the digits of the record's time, too
        difference(operation, member, str(ours), 'more' if theirs > ours else 'less')
    elif kind(member, ours) != kind(member, theirs):
        difference(operation, member, kind(member, ours), kind(member, theirs))


def shown(member, value):
    return 'given' if isinstance(value, (dict, list)) and value else kind(member, value)


def both(operation, send):
    """Send a request, made from what each service has said, to both."""
    answers = [send(service) for service in services]
    (our_status, ours), (their_status, theirs) = answers
    if our_status >= 300:
        sys.exit(f'not ok {operation}: {our_status} {ours}')
    tried.add(operation)
    if our_status != their_status:
        difference(operation, '', str(our_status), str(their_status))
    if their_status < 300:
        compare(operation, '', ours, theirs)
    return [ours, theirs]


def dynamodb(operation, **request):
    return request_to('dynamodb', operation, request)


def streams(operation, **request):
    return request_to('streams', operation, request)


def request_to(name, operation, request):
    """A value that is a function is made from what the service has said."""
    return both(operation, lambda service: service.call(name, operation, {
        member: value(service.known) if callable(value) else value for member, value in request.items()}))


def learn(answers, **what):
    for service, answer in zip(services, answers):
        for name, find in what.items():
            service.known[name] = find(answer)


# --- the requests -----------------------------------------------------------------

def make_tables():
    psql('''create table public.parcels (id int primary key, note text, price numeric, sent boolean, tags text[],
            doc jsonb, raw bytea, missing text);
            drop table public."Orders";
            create function public.parcels_handler(event jsonb) returns jsonb language sql as 'select null::jsonb';
            alter table public.parcels owner to reader;
            alter function public.parcels_handler(jsonb) owner to reader;''')
    moto = services[1]
    moto.call('dynamodb', 'CreateTable', {
        'TableName': 'parcels', 'BillingMode': 'PAY_PER_REQUEST',
        'AttributeDefinitions': [{'AttributeName': 'id', 'AttributeType': 'N'}],
        'KeySchema': [{'AttributeName': 'id', 'KeyType': 'HASH'}]})
    # no container: nothing is invoked here
    urllib.request.urlopen(urllib.request.Request(
        moto.url + '/moto-api/config', json.dumps({'lambda': {'use_docker': False}}).encode(),
        {'Content-Type': 'application/json'})).close()
    role = boto3.client('iam', endpoint_url=moto.url).create_role(
        RoleName='handler', AssumeRolePolicyDocument='{}')['Role']['Arn']
    boto3.client('lambda', endpoint_url=moto.url).create_function(
        FunctionName='parcels_handler', Role=role, Handler='handler.handle', Runtime='python3.13', Code={'ZipFile': b'-'})


def change_rows():
    """An insert, an update and a delete, with every type of attribute that both have."""
    psql('''insert into parcels values (1, 'new', 9.5, true, '{a,b}', '{"k": [1, null]}', '\\x00ff10', null);''')
    psql('''update parcels set note = 'changed', sent = false;''')
    psql('''delete from parcels;''')
    moto = services[1]
    item = {'id': {'N': '1'}, 'note': {'S': 'new'}, 'price': {'N': '9.5'}, 'sent': {'BOOL': True},
            'tags': {'L': [{'S': 'a'}, {'S': 'b'}]}, 'doc': {'M': {'k': {'L': [{'N': '1'}, {'NULL': True}]}}},
            'raw': {'B': 'AP8Q'}, 'missing': {'NULL': True}}
    moto.call('dynamodb', 'PutItem', {'TableName': 'parcels', 'Item': item})
    moto.call('dynamodb', 'PutItem', {'TableName': 'parcels', 'Item': {**item, 'note': {'S': 'changed'}, 'sent': {'BOOL': False}}})
    moto.call('dynamodb', 'DeleteItem', {'TableName': 'parcels', 'Key': {'id': {'N': '1'}}})


def ask_tables():
    dynamodb('ListTables')
    dynamodb('ListTables', Limit=1)
    dynamodb('ListTables', ExclusiveStartTableName='parcels')
    dynamodb('DescribeTable', TableName='parcels')
    dynamodb('UpdateTable', TableName='parcels',
             StreamSpecification={'StreamEnabled': True, 'StreamViewType': 'NEW_AND_OLD_IMAGES'})
    learn(dynamodb('DescribeTable', TableName='parcels'),
          arn=lambda answer: answer['Table']['LatestStreamArn'], table=lambda answer: answer['Table']['TableArn'])
    dynamodb('DescribeTable', TableName=lambda known: known['table'])


def arn(known):
    return known['arn']


def shard(known):
    return known['shard']


def ask_streams():
    # without a table's name, streams of clients that read before would be there
    streams('ListStreams', TableName='parcels', Limit=1)
    streams('ListStreams', TableName='parcels', ExclusiveStartStreamArn=arn)
    streams('DescribeStream', StreamArn=arn, Limit=1)
    learn(streams('DescribeStream', StreamArn=arn),
          shard=lambda answer: answer['StreamDescription']['Shards'][0]['ShardId'])
    streams('DescribeStream', StreamArn=arn, ExclusiveStartShardId=shard)
    streams('DescribeStream', StreamArn=arn, ShardFilter=lambda known: {'Type': 'CHILD_SHARDS', 'ShardId': known['shard']})
    learn(streams('GetShardIterator', StreamArn=arn, ShardId=shard, ShardIteratorType='LATEST'),
          latest=lambda answer: answer['ShardIterator'])
    learn(streams('GetRecords', ShardIterator=lambda known: known['latest']),
          latest=lambda answer: answer['NextShardIterator'])
    change_rows()
    streams('GetRecords', ShardIterator=lambda known: known['latest'])
    learn(streams('GetShardIterator', StreamArn=arn, ShardId=shard, ShardIteratorType='TRIM_HORIZON'),
          oldest=lambda answer: answer['ShardIterator'])
    learn(streams('GetRecords', ShardIterator=lambda known: known['oldest'], Limit=2),
          first=lambda answer: answer['Records'][0]['dynamodb']['SequenceNumber'],
          time=lambda answer: answer['Records'][0]['dynamodb']['ApproximateCreationDateTime'],
          next=lambda answer: answer['NextShardIterator'])
    streams('GetRecords', ShardIterator=lambda known: known['next'])
    for position in ({'ShardIteratorType': 'AT_SEQUENCE_NUMBER', 'SequenceNumber': lambda known: known['first']},
                     {'ShardIteratorType': 'AFTER_SEQUENCE_NUMBER', 'SequenceNumber': lambda known: known['first']},
                     {'ShardIteratorType': 'AT_TIMESTAMP', 'Timestamp': lambda known: known['time']}):
        answers = streams('GetShardIterator', StreamArn=arn, ShardId=shard, **position)
        if all('ShardIterator' in answer for answer in answers):
            learn(answers, iterator=lambda answer: answer['ShardIterator'])
            streams('GetRecords', ShardIterator=lambda known: known['iterator'])


MAPPINGS = '/2015-03-31/event-source-mappings'


def ask_lambda():
    def mapping(known):
        return f'{MAPPINGS}/{known["uuid"]}'

    def tags(known):
        return '/2017-03-31/tags/' + urllib.parse.quote(known['mapping'], safe='')

    def ask(operation, method, path, query=None, request=None):
        def send(service):
            made = [value(service.known) if callable(value) else value for value in (path, query, request)]
            return service.call_lambda(method, *made)
        return both(operation, send)

    learn(ask('CreateEventSourceMapping', 'POST', MAPPINGS, request=lambda known: {
        'FunctionName': 'parcels_handler', 'EventSourceArn': known['arn'], 'StartingPosition': 'LATEST', 'BatchSize': 50,
        'MaximumRetryAttempts': 3, 'Enabled': False, 'Tags': {'team': 'post'},
        'FilterCriteria': {'Filters': [{'Pattern': '{"eventName": ["INSERT"]}'}]}}),
        uuid=lambda answer: answer['UUID'],
        mapping=lambda answer: answer.get('EventSourceMappingArn', 'arn:aws:lambda:-:-:-'))
    ask('GetEventSourceMapping', 'GET', mapping)
    ask('ListEventSourceMappings', 'GET', MAPPINGS)
    ask('ListEventSourceMappings', 'GET', MAPPINGS, {'FunctionName': 'parcels_handler', 'MaxItems': 1})
    ask('ListEventSourceMappings', 'GET', MAPPINGS, lambda known: {'EventSourceArn': known['arn']})
    ask('ListTags', 'GET', tags)
    ask('TagResource', 'POST', tags, request={'Tags': {'cost': '7'}})
    ask('UntagResource', 'DELETE', tags, {'tagKeys': ['team']})
    ask('ListTags', 'GET', tags)
    ask('UpdateEventSourceMapping', 'PUT', mapping, request={'BatchSize': 20, 'BisectBatchOnFunctionError': True})
    ask('DeleteEventSourceMapping', 'DELETE', mapping)


def disable():
    dynamodb('UpdateTable', TableName='parcels', StreamSpecification={'StreamEnabled': False})
    streams('DescribeStream', StreamArn=arn)
    streams('ListStreams', TableName='parcels')
    dynamodb('DescribeTable', TableName='parcels')


# --- the table ----------------------------------------------------------------------

def rows_of(document):
    """The reasons that stand in the document, by the four columns before them."""
    reasons = {}
    with open(document, encoding='utf-8') as lines:
        for line in lines:
            cells = [cell.strip() for cell in line.strip().strip('|').split(' | ')]
            if line.startswith('| ') and len(cells) == 5 and cells[0] not in ('operation', '---'):
                reasons[tuple(cells[:4])] = cells[4]
    return reasons


services = [Service(environ['AWS_ENDPOINT_URL']), Service(sys.argv[1])]
tried = set()
make_tables()
ask_tables()
ask_streams()
ask_lambda()
disable()

reasons = rows_of(sys.argv[2])
differences = sorted((', '.join(sorted(operations)), *row) for row, operations in found.items())
new = [row for row in differences if not reasons.get(row)]
old = [row for row in reasons if row not in differences]
for row in differences:
    print('|', ' | '.join(row), '|', reasons.get(row, '**new**'), '|')
print('ok', len(tried), 'operations')
for names, rows in (('differences without a reason', new), ('rows without a difference', old)):
    print('not ok' if rows else 'ok', len(rows), names)
    for row in rows:
        print('#', *row, sep=' | ')
