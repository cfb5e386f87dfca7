# Client: the batch processor of aws-lambda-powertools 3.37.0, as a handler in PL/Python
# Packages: python3-venv
# Reads: nothing

. "$HERE/lib.sh"

if [ "$1" = install ]; then
	python_packages aws-lambda-powertools==3.37.0
	exit
fi
psql -X -q -v ON_ERROR_STOP=1 -v packages="$(echo "$PWD"/venv/lib/python3*/site-packages)" -v arn="$STREAM_ARN" \
	-f "$HERE/powertools.sql"
for round in 1 2 3; do
	psql -X -q -v ON_ERROR_STOP=1 -v round="$round" -f "$HERE/change_rows.sql"
done
# whatever the machine's speed, the records come to an end
until [ "$(psql -X -A -t -c "select count(*) from ddbstreams.mapping_stats where lag_records > 0")" = 0 ]; do
	sleep 0.2
done
psql -X -A -t -v ON_ERROR_STOP=1 -v arn="$STREAM_ARN" -f "$HERE/powertools_check.sql"
