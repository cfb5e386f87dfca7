# Client: dynamodb-streams-readable 3.0.0 (npm)
# Packages:
# Reads: all

. "$HERE/lib.sh"

if [ "$1" = install ]; then
	npm_packages dynamodb-streams-readable@3.0.0 @aws-sdk/client-dynamodb-streams@3.1141.0 \
		@aws-sdk/util-dynamodb@3.996.9
	cp "$HERE/read_readable.js" .
else
	exec node read_readable.js
fi
