# Client: serverless-plugin-offline-dynamodb-stream 1.0.20 (npm), with serverless 3.40.0
# Packages:
# Reads: nothing

. "$HERE/lib.sh"
. "$HERE/read_serverless.sh"

if [ "$1" = install ]; then
	serverless_project serverless-plugin-offline-dynamodb-stream@1.0.20 <<-'YAML'
	custom:
	  dynamodbStream:
	    host: ${env:ENDPOINT_HOST}
	    port: ${env:ENDPOINT_PORT}
	    region: ${env:AWS_REGION}
	    batchSize: 50
	    streams:
	      - table: Orders
	        functions: [orders]
	functions:
	  orders:
	    handler: handler.handle
	YAML
	exit
fi
# it reads one open shard, from LATEST: the table gets a stream of one shard, and
# rows change once the plugin has its iterator
psql -X -q -c "select ddbstreams.disable_stream('\"Orders\"')" >disabled
arn=$(psql -X -q -A -t -c "select ddbstreams.enable_stream('\"Orders\"', shard_count => 1)")
: >"$OUT"
export DEBUG=DynamoDBStream-streams:readable
start_serverless
wait_until grep -q 'getShardIterator got iterator' serverless.log
change_and_compare "$arn"
