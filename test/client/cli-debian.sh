# Client: AWS CLI of Debian
# Packages: awscli
# Quick: yes
# Reads: all
# Rounds: 3

PATH=/usr/bin:/bin
[ "$1" != install ] || exit 0
. "$HERE/read_cli.sh"
# Debian 12's CLI does not look at AWS_ENDPOINT_URL
read_stream --endpoint-url "$AWS_ENDPOINT_URL"
