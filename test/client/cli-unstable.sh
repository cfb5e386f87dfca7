# Client: AWS CLI 2 of Debian's unstable (2.38.1 when it was last tried)
# Packages: mmdebstrap
# Reads: all
# Rounds: 3

. "$HERE/lib.sh"

if [ "$1" = install ]; then
	unstable_cli
	exit
fi
. "$HERE/read_cli.sh"
PATH=$PWD/unstable/bin:$PATH
read_stream
