-- What a client should have read, as it writes it, without the shard id.
select sequence_number, event_name, (coalesce(new_image, old_image)).id, (coalesce(new_image, old_image)).n,
	(coalesce(new_image, old_image)).price, (coalesce(new_image, old_image)).note
from ddbstreams.changes(null::public."Orders", stream_arn => :'arn');
