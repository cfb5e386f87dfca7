# shellcheck shell=bash
#
# What the scripts of this folder share.

# Make a virtual environment in ./venv with these packages of PyPI, once.
python_packages()
{
	local wanted="$*"

	if [ "$(cat venv/wanted 2>/dev/null)" != "$wanted" ]; then
		rm -rf venv
		/usr/bin/python3 -m venv venv
		venv/bin/pip install --quiet --disable-pip-version-check "$@"
		echo "$wanted" >venv/wanted
	fi
}

# Put these packages of npm into ./node_modules, once.
npm_packages()
{
	local wanted="$*"

	if [ "$(cat node_modules/wanted 2>/dev/null)" != "$wanted" ]; then
		rm -rf node_modules package.json package-lock.json
		echo '{"private": true}' >package.json
		npm install --silent --no-audit --no-fund --ignore-scripts --save-exact "$@"
		echo "$wanted" >node_modules/wanted
	fi
}

# Make the folder NAME/lib with these artifacts of Maven Central (group:artifact:
# version) and what they need, once.
maven_project()
{
	local name=$1 wanted artifact group version
	shift

	wanted="$*"
	[ "$(cat "$name/wanted" 2>/dev/null)" != "$wanted" ] || return 0
	rm -rf "$name"
	mkdir "$name"
	{
		echo '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
		echo '<groupId>client</groupId><artifactId>client</artifactId><version>1</version><dependencies>'
		for artifact in "$@"; do
			IFS=: read -r group artifact version <<<"$artifact"
			echo "<dependency><groupId>$group</groupId><artifactId>$artifact</artifactId><version>$version</version></dependency>"
		done
		echo '</dependencies></project>'
	} >"$name/pom.xml"
	mvn --batch-mode --quiet -Dmaven.repo.local="$PWD/m2" -f "$name/pom.xml" \
		org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies -DoutputDirectory=lib
	echo "$wanted" >"$name/wanted"
}

# Compile Java sources with NAME/lib to NAME/classes.
java_build()
{
	local name=$1
	shift

	mkdir -p "$name/classes"
	javac -nowarn -cp "$name/lib/*" -d "$name/classes" "$@"
}

# Unpack the AWS CLI of Debian's unstable and all that it needs into ./unstable, once,
# and make ./unstable/bin/aws: this Debian has an old one, PyPI has version 1 only.
# The check for a release that is too old is left out: it is about mirrors.
unstable_cli()
{
	local root=$PWD/unstable/root loader

	[ ! -x unstable/bin/aws ] || return 0
	rm -rf unstable
	mkdir -p unstable/bin
	mmdebstrap --quiet --variant=extract --aptopt='Acquire::Check-Valid-Until "false"' --include=awscli \
		unstable "$root" 'deb http://deb.debian.org/debian unstable main'
	loader=$(echo "$root"/usr/lib/*/ld-linux*.so.?)
	# its own loader and libraries: nothing of this machine's
	cat >aws.new <<-SCRIPT
	#!/bin/sh
	PYTHONHOME=$root/usr exec $loader --library-path ${loader%/*} $root/usr/bin/python3 $root/usr/bin/aws "\$@"
	SCRIPT
	chmod +x aws.new
	mv aws.new unstable/bin/aws
}

# Print a port that nothing listens on.
free_port()
{
	/usr/bin/python3 -c 'import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])'
}

# Has everything been read? What a killed reader had read may be there twice.
is_read()
{
	[ -f "$EXPECTED" ] && [ "$(cut -f 1,2 "$OUT" | sort -u | wc -l)" -ge "$(cat "$EXPECTED")" ]
}
