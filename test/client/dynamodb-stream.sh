# Client: dynamodb-stream 1.1.4 (npm)
# Packages:
# Reads: all

. "$HERE/lib.sh"

if [ "$1" = install ]; then
	npm_packages dynamodb-stream@1.1.4 @aws-sdk/client-dynamodb-streams@3.1141.0 @aws-sdk/util-dynamodb@3.996.9
	cp "$HERE/read_dynamodb_stream.js" .
else
	exec node read_dynamodb_stream.js
fi
