# Client: Apache Flink 1.20.5 with flink-connector-kinesis 4.3.0-1.19, FlinkDynamoDBStreamsConsumer
# Packages: maven default-jdk-headless
# Reads: living
# Rounds: 8
# Pause: 20

. "$HERE/lib.sh"

if [ "$1" = install ]; then
	maven_project reader org.apache.flink:flink-connector-kinesis:4.3.0-1.19 \
		org.apache.flink:flink-streaming-java:1.20.5 org.apache.flink:flink-clients:1.20.5 \
		org.apache.flink:flink-connector-base:1.20.5 org.slf4j:slf4j-simple:1.7.36
	java_build reader "$HERE/FlinkReader.java"
	exit
fi

rm -rf checkpoints
mkdir checkpoints
number=0

# The newest checkpoint that is complete.
checkpoint()
{
	find checkpoints -name _metadata -printf '%T@ %h\n' | sort -n | tail -n 1 | cut -d ' ' -f 2
}

# Start the job, from its last checkpoint if there is one.
start_job()
{
	from=$(checkpoint)
	lines=$(wc -l <"$OUT")
	number=$((number + 1))
	java -Xmx512m -XX:TieredStopAtLevel=1 --add-opens java.base/java.util=ALL-UNNAMED --add-opens java.base/java.lang=ALL-UNNAMED \
		-Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp 'reader/classes:reader/lib/*' \
		FlinkReader checkpoints ${from:+"$from"} >"job-$number.log" 2>&1 &
	job=$!
}

kills=0
start_job
until [ "$kills" -gt 0 ] && is_read; do
	sleep 2
	kill -0 "$job" || { tail -n 30 "job-$number.log"; exit 1; }
	# once it has read something more and has a checkpoint of its own, the job is
	# killed, at most twice, and goes on from there
	if [ "$kills" -lt 2 ] && [ "$(wc -l <"$OUT")" -gt "$lines" ] && [ "$(checkpoint)" != "$from" ]; then
		kill -9 "$job"
		kills=$((kills + 1))
		start_job
	fi
done
kill -9 "$job"
echo "$kills kills, $(cut -f 1 "$OUT" | sort -u | wc -l) shards, $(wc -l <"$OUT") lines"

# This consumer begins a child without waiting for its parent's end: it promises the
# order within a shard only. That is compared here, and the rest put in order.
mv "$OUT" read
awk -F '\t' '
	seen[$1, $2]++ { next }
	length($2) < length(last[$1]) || length($2) == length(last[$1]) && $2 "" <= last[$1] "" { print "not in order:", $0; bad = 1 }
	{ last[$1] = $2 }
	END { exit bad }' read
sort -s -t $'\t' -k 2,2n read >"$OUT"
