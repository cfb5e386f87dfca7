# Client: AWS CLI 1.46.3
# Packages: python3-venv
# Reads: all
# Rounds: 3

. "$HERE/lib.sh"

if [ "$1" = install ]; then
	python_packages awscli==1.46.3
	exit
fi
. "$HERE/read_cli.sh"
PATH=$PWD/venv/bin:$PATH
read_stream
