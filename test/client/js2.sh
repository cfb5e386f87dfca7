# Client: AWS SDK for JavaScript 2.1693.0
# Packages:
# Reads: all

. "$HERE/lib.sh"

if [ "$1" = install ]; then
	npm_packages aws-sdk@2.1693.0
	cp "$HERE/read_js2.js" .
else
	exec node read_js2.js
fi
