# Client: boto3 1.44.8, following a stream that lives
# Packages: python3-venv
# Reads: living
# Rounds: 8
# Pause: 3

. "$HERE/lib.sh"

if [ "$1" = install ]; then
	python_packages boto3==1.44.8
	exit
fi
venv/bin/python "$HERE/follow_boto3.py" &
reader=$!
until is_read; do
	kill -0 "$reader"
	sleep 1
done
kill "$reader"
echo "$(cut -f 1 "$OUT" | sort -u | wc -l) shards"
