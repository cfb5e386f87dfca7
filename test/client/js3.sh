# Client: AWS SDK for JavaScript 3.1141.0
# Packages:
# Quick: yes
# Reads: all

. "$HERE/lib.sh"

if [ "$1" = install ]; then
	npm_packages @aws-sdk/client-dynamodb-streams@3.1141.0 @aws-sdk/util-dynamodb@3.996.9
	cp "$HERE/read_js3.mjs" .
else
	exec node read_js3.mjs
fi
