-- A handler whose records are processed by powertools' BatchProcessor, and a
-- mapping to it. Each record of some keys fails at its first try.
create extension if not exists jsonb_plpython3u cascade;
create table processed (no bigint generated always as identity, shard text, number text, event text, id int, n bigint);
create table tried (number text);

create function process(packages text, event jsonb) returns jsonb
	language plpython3u transform for type jsonb as $$
import sys
if packages not in sys.path:
    sys.path.insert(0, packages)
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response

def handle(record):
    change = record.dynamodb
    # powertools makes Python's values of the images
    row = change.new_image or change.old_image
    if int(row['id']) % 13 == 0:
        tried = plpy.prepare('select 1 from tried where number = $1', ['text'])
        if not plpy.execute(tried, [change.sequence_number]):
            plpy.execute(plpy.prepare('insert into tried values ($1)', ['text']), [change.sequence_number])
            raise ValueError('the first try')
    plpy.execute(plpy.prepare('insert into processed (shard, number, event, id, n) values ($1, $2, $3, $4, $5)',
                              ['text', 'text', 'text', 'int', 'bigint']),
                 [record.event_source_arn, change.sequence_number, record.event_name.name, int(row['id']), int(row['n'])])

processor = BatchProcessor(event_type=EventType.DynamoDBStreams, raise_on_entire_batch_failure=False)
return process_partial_response(event=event, record_handler=handle, processor=processor, context=None)
$$;

select format('create function handler(event jsonb) returns jsonb language sql as $f$ select process(%L, event) $f$', :'packages') \gexec

select ddbstreams.create_event_source_mapping('handler', :'arn', 'TRIM_HORIZON', batch_size => 20,
	function_response_types => '{ReportBatchItemFailures}') \gset
