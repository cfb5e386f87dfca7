# shellcheck shell=bash
#
# What the scripts of the Serverless Framework's offline plugins share.

# Fetch the framework and a plugin of npm, and make serverless.yml for it, with
# what stands on standard input: the plugin's settings and the handler's events.
serverless_project()
{
	npm_packages serverless@3.40.0 serverless-offline@13.9.0 "$1"
	cp "$HERE/handler.js" .
	{
		cat <<-YAML
		service: orders
		frameworkVersion: '3'
		configValidationMode: off
		plugins: ['${1%@*}', serverless-offline]
		provider:
		  name: aws
		  runtime: nodejs20.x
		  region: \${env:AWS_REGION}
		  environment:
		    OUT: \${env:OUT}
		YAML
		cat
	} >serverless.yml
}

# Start "serverless offline" in the background.
start_serverless()
{
	export SLS_TELEMETRY_DISABLED=1 SLS_NOTIFICATIONS_MODE=off SLS_INTERACTIVE_SETUP_ENABLE=0
	# an old log would be believed until the new one is there
	: >serverless.log
	export ENDPOINT_HOST=127.0.0.1 ENDPOINT_PORT=${AWS_ENDPOINT_URL##*:}
	node node_modules/serverless/bin/serverless.js offline start --httpPort "$(free_port)" \
		--lambdaPort "$(free_port)" --albPort "$(free_port)" >>serverless.log 2>&1 &
	serverless=$!
}

# Wait until a command is true or serverless has ended.
wait_until()
{
	until "$@"; do
		kill -0 "$serverless" 2>/dev/null || { echo "not ok serverless has ended"; tail -n 30 serverless.log; exit 1; }
		sleep 0.5
	done
}

has_all()
{
	[ "$(wc -l <"$OUT")" -ge "$(wc -l <truth)" ]
}

# Change rows, wait until all is read, and compare it with the history of stream $1:
# each record once, those of a key in their order.
change_and_compare()
{
	local round

	for round in 1 2 3; do
		psql -X -q -v ON_ERROR_STOP=1 -v round="$round" -f "$HERE/change_rows.sql"
	done
	psql -X -q -A -t -F $'\t' -v ON_ERROR_STOP=1 -v arn="$1" -f "$HERE/truth.sql" |
		sort -s -t $'\t' -k 3,3n >truth
	wait_until has_all
	kill -9 "$serverless"
	cut -f 2- "$OUT" | sort -s -t $'\t' -k 3,3n >read
	if diff truth read | head -n 20 && cmp -s truth read; then
		echo "ok $(wc -l <read) records, each once, those of a key in their order"
	else
		echo "not ok records"
	fi
}
