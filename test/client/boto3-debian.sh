# Client: boto3 of Debian
# Packages: python3-boto3
# Quick: yes
# Reads: all

[ "$1" = install ] || exec /usr/bin/python3 "$HERE/read_boto3.py"
