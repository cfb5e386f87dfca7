# Client: boto3 1.44.8
# Packages: python3-venv
# Quick: yes
# Reads: all

. "$HERE/lib.sh"

if [ "$1" = install ]; then
	python_packages boto3==1.44.8
else
	exec venv/bin/python "$HERE/read_boto3.py"
fi
