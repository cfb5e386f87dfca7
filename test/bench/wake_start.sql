-- The reader: its first iterator ...
select ddbstreams.get_shard_iterator(stream_arn, shard_id, 'LATEST') as iterator
from ddbstreams.latest_stream_arn('woken') as stream_arn,
	ddbstreams.describe_stream(stream_arn) \gset
