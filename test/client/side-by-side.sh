# Client: the same requests to moto 5.2.5, answers compared member by member
# Packages: python3-venv
# Reads: nothing

. "$HERE/lib.sh"

if [ "$1" = install ]; then
	python_packages 'moto[server]==5.2.5'
	exit
fi
port=$(free_port)
MOTO_ACCOUNT_ID=000000000000 venv/bin/moto_server -H 127.0.0.1 -p "$port" >moto.log 2>&1 &
moto=$!
until curl -s -o moto.answer "http://127.0.0.1:$port/"; do
	kill -0 "$moto"
	sleep 0.2
done
status=0
venv/bin/python "$HERE/side_by_side.py" "http://127.0.0.1:$port" "$HERE/../../docs/aws-side-by-side.md" || status=$?
kill -9 "$moto"
exit "$status"
