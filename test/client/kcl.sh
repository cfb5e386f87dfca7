# Client: Kinesis Client Library 3.1.1 with the DynamoDB Streams adapter 2.0.1
# Packages: maven default-jdk-headless python3-venv
# Reads: living
# Rounds: 10
# Pause: 20

. "$HERE/lib.sh"

if [ "$1" = install ]; then
	maven_project reader com.amazonaws:dynamodb-streams-kinesis-adapter:2.0.1 org.slf4j:slf4j-simple:2.0.17
	java_build reader "$HERE/KclWorker.java"
	# the lease table's DynamoDB
	python_packages 'moto[server]==5.2.5'
	exit
fi

port=$(free_port)
venv/bin/moto_server -H 127.0.0.1 -p "$port" >moto.log 2>&1 &
workers=()
number=0

start_worker()
{
	number=$((number + 1))
	java -Xmx256m -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp 'reader/classes:reader/lib/*' \
		KclWorker "worker-$number" "http://127.0.0.1:$port" >"worker-$number.log" 2>&1 &
	workers+=($!)
}

until curl -s -o moto.answer "http://127.0.0.1:$port/"; do
	sleep 0.2
done
start_worker
start_worker
kills=0
until is_read; do
	sleep 5
	# one of the two is killed and another one started, as long as rows change
	if [ ! -f "$EXPECTED" ] && [ -s "$OUT" ]; then
		victim=$((RANDOM % 2))
		kill -9 "${workers[victim]}"
		unset "workers[victim]"
		workers=("${workers[@]}")
		kills=$((kills + 1))
		start_worker
		sleep 45
	fi
done
kill -9 "${workers[@]}" %1
echo "$kills kills, $(cut -f 1 "$OUT" | sort -u | wc -l) shards"
