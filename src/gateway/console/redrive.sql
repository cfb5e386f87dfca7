-- $1 the request; without a batch it would mean all batches, and is an error
SELECT json_build_object('batches', ddbstreams.redrive(coalesce($1::json->>'batch', '')::uuid))
