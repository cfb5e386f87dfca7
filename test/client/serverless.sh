# Client: serverless-offline-dynamodb-streams 8.0.1 (npm), with serverless 3.40.0
# Packages:
# Reads: nothing

. "$HERE/lib.sh"
. "$HERE/read_serverless.sh"

if [ "$1" = install ]; then
	serverless_project serverless-offline-dynamodb-streams@8.0.1 <<-'YAML'
	custom:
	  serverless-offline-dynamodb-streams:
	    endpoint: ${env:AWS_ENDPOINT_URL}
	    region: ${env:AWS_REGION}
	    accessKeyId: ${env:AWS_ACCESS_KEY_ID}
	    secretAccessKey: ${env:AWS_SECRET_ACCESS_KEY}
	    readInterval: 200
	functions:
	  orders:
	    handler: handler.handle
	    events:
	      - stream:
	          type: dynamodb
	          arn: ${env:STREAM_ARN}
	          startingPosition: TRIM_HORIZON
	          batchSize: 50
	YAML
	exit
fi
# it lists the shards once, at its start, and reads all of them at the same time;
# the stream's two shards do not split here
: >"$OUT"
start_serverless
change_and_compare "$STREAM_ARN"
