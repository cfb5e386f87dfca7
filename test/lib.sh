# shellcheck shell=bash
#
# What test/demo and test/check share: missing packages, a private build, and
# servers of their own.
#
# Everything happens below one temporary directory, $tmp, which belongs to the
# unprivileged user $owner (the caller; for root, user postgres):
#
#   $tmp/src    copy of the source tree, built there
#   $tmp/inst   where "make install DESTDIR" puts the extension
#   $tmp/NAME   one server: data, log, and the socket
#
# Debian's servers look for extensions in extension_destdir first, PostgreSQL
# 18 in extension_control_path, so that nothing is written to system
# directories and different versions can be tested side by side. A server that
# knows neither gets a plain "make install".
#
# A script sources this file and calls prepare; at its exit every server
# stops and $tmp goes. Long commands run in a session of their own, in the
# background, because bash handles signals only while it waits.

set -euo pipefail
umask 022
export LC_ALL=C

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
tmp=
child=
port=5432 # names the socket file; nothing listens on TCP

say()
{
	printf '%s\n' "$*"
}

die()
{
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# --- packages ---------------------------------------------------------------

# Print the pg_config to build with: $PG_CONFIG, or that of the newest version
# in Debian's place that has a server and its headers; $PG_MAJOR, if set, is the
# only version to look for.
find_pg_config()
{
	local version candidate

	if [ -n "${PG_CONFIG:-}" ]; then
		command -v "$PG_CONFIG" || die "PG_CONFIG: no such program: $PG_CONFIG"
		return
	fi
	for version in ${PG_MAJOR:-19 18 17 16 15}; do
		candidate=/usr/lib/postgresql/$version/bin/pg_config
		if [ -x "$candidate" ] && [ -x "${candidate%/*}/initdb" ] &&
			[ -f "$("$candidate" --includedir-server)/postgres.h" ]; then
			say "$candidate"
			return
		fi
	done
	return 1
}

# Print the version of PostgreSQL that packages are to be installed of: $PG_MAJOR,
# or the newest one whose server is there, or the one that this Debian has. apt
# knows that once it has its lists; until then nothing is printed.
wanted_major()
{
	local version

	if [ -n "${PG_MAJOR:-}" ]; then
		say "$PG_MAJOR"
		return
	fi
	for version in 19 18 17 16 15; do
		if [ -x "/usr/lib/postgresql/$version/bin/initdb" ]; then
			say "$version"
			return
		fi
	done
	apt-cache show postgresql 2>/dev/null |
		sed -n 's/^Depends:.*\bpostgresql-\([0-9]\+\).*/\1/p' | sort -n | tail -n 1
}

# Print the package with PL/Python for Debian's server, if it is missing.
missing_python()
{
	local found version

	found=$(find_pg_config) || found=/usr/lib/postgresql/$(wanted_major)/bin/pg_config
	version=$(sed -n 's|^/usr/lib/postgresql/\([0-9]*\)/bin/pg_config$|\1|p' <<<"$found")
	[ -z "$version" ] ||
		[ -f "/usr/share/postgresql/$version/extension/jsonb_plpython3u.control" ] ||
		say "postgresql-plpython3-$version"
}

# Print the packages that are missing for building and running ("check": for
# the tests too; "matrix": for making another Debian), or which of the further
# arguments are ("packages").
missing_packages()
{
	local major package

	if [ "${1:-}" = packages ]; then
		for package in "${@:2}"; do
			dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null |
				grep -qx installed || say "$package"
		done
		return 0
	fi

	if [ "${1:-}" = matrix ]; then
		command -v debootstrap >/dev/null || say debootstrap debian-archive-keyring
		return 0
	fi
	if ! find_pg_config >/dev/null; then
		major=$(wanted_major)
		if [ -n "$major" ]; then
			say "postgresql-$major" "postgresql-server-dev-$major"
		else
			say postgresql postgresql-server-dev-all
		fi
	fi
	command -v make >/dev/null || say make
	command -v gcc >/dev/null || say gcc
	[ -f /usr/include/stdio.h ] || say libc6-dev
	# ddbstreams-gateway
	if [[ ${1:-} = @(demo|check) ]]; then
		[ -f /usr/include/microhttpd.h ] || say libmicrohttpd-dev
		[ -f /usr/include/openssl/evp.h ] || say libssl-dev
		[ -f /usr/include/postgresql/libpq-fe.h ] || say libpq-dev
	fi
	# the tour and docs/ have a handler in Python, where Debian has it
	if [[ ${1:-} = @(demo|check) ]] && [ -f /etc/debian_version ]; then
		missing_python
	fi
	[ "${1:-}" = check ] || return 0
	# perl-base, which every Debian has, lacks prove
	[ -x /usr/bin/prove ] || say perl
	/usr/bin/perl -MIPC::Run -e 1 2>/dev/null || say libipc-run-perl
	[ -x /usr/bin/python3 ] || say python3
	/usr/bin/python3 -c 'import psycopg2' 2>/dev/null || say python3-psycopg2
	/usr/bin/python3 -c 'import psycopg' 2>/dev/null || say python3-psycopg
	command -v node >/dev/null || say nodejs
	command -v spin >/dev/null || say spin
}

# Install what is missing, as root or through sudo.
install_packages()
{
	local log
	local -a packages as_root=()

	mapfile -t packages < <(missing_packages "$@" | tr ' ' '\n')
	[ ${#packages[@]} -gt 0 ] || return 0
	command -v apt-get >/dev/null ||
		die "please install what Debian calls ${packages[*]}"
	if [ "$(id -u)" -ne 0 ]; then
		command -v sudo >/dev/null ||
			die "please run as root, or install first: ${packages[*]}"
		as_root=(sudo)
	fi
	log=$(mktemp)
	# the lock lets two copies start at once; apt-get update has none to wait for
	if ! "${as_root[@]}" flock -w 1800 /run/lock/ddbstreams-apt \
			apt-get -q update </dev/null >"$log" 2>&1; then
		cat "$log" >&2
		rm -f "$log"
		die "apt-get update fails"
	fi
	# apt may know now which version of PostgreSQL there is
	mapfile -t packages < <(missing_packages "$@" | tr ' ' '\n')
	say "installing ${packages[*]}"
	if ! "${as_root[@]}" flock -w 1800 /run/lock/ddbstreams-apt \
			env DEBIAN_FRONTEND=noninteractive \
			apt-get -qy --no-install-recommends -o DPkg::Lock::Timeout=600 \
			install "${packages[@]}" </dev/null >"$log" 2>&1; then
		cat "$log" >&2
		rm -f "$log"
		die "could not install ${packages[*]}"
	fi
	rm -f "$log"
	mapfile -t packages < <(missing_packages "$@" | tr ' ' '\n')
	[ ${#packages[@]} -eq 0 ] || die "still missing: ${packages[*]}"
}

# Unpack Debian's client of PostgreSQL for Node into $tmp/node, for NODE_PATH. It
# is not installed: apt would refuse it beside a Node that is not Debian's.
unpack_node_client()
{
	local -a packages=(node-pg node-split2 node-xtend) as_root=()
	local package

	[ "$(id -u)" -eq 0 ] || as_root=(sudo)
	mkdir "$tmp/node"
	cd "$tmp/node"
	if ! apt-get -q download "${packages[@]}" >download.log 2>&1; then
		"${as_root[@]}" flock -w 1800 /run/lock/ddbstreams-apt apt-get -q update >/dev/null &&
			apt-get -q download "${packages[@]}" >download.log 2>&1 ||
			{ cat download.log >&2; die "could not download ${packages[*]}"; }
	fi
	for package in ./*.deb; do
		dpkg-deb -x "$package" .
	done
	cd "$tmp"
}

# --- running things ---------------------------------------------------------

# Run a command as $owner, in a clean environment. It replaces the shell it is
# called in, so call it in a subshell or the background.
exec_as_owner()
{
	local -a become=()

	if [ "$(id -u)" -eq 0 ]; then
		become=(setpriv --reuid="$owner" --regid="$(id -g "$owner")" --init-groups --)
	fi
	exec "${become[@]}" env -i --default-signal=INT,QUIT \
		PATH="$bindir:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin" \
		HOME="$tmp" TMPDIR="$tmp" LC_ALL=C.UTF-8 TERM="${TERM:-dumb}" \
		PG_CONFIG="$pg_config" PG_TEST_EXTRA="${PG_TEST_EXTRA:-}" \
		${PG_TEST_TIMEOUT_DEFAULT:+PG_TEST_TIMEOUT_DEFAULT="$PG_TEST_TIMEOUT_DEFAULT"} \
		${OLD_PG_CONFIG:+OLD_PG_CONFIG="$OLD_PG_CONFIG"} \
		${STRESS_SECONDS:+STRESS_SECONDS="$STRESS_SECONDS"} \
		${STRESS_SEED:+STRESS_SEED="$STRESS_SEED"} \
		${LOCPATH:+LOCPATH="$LOCPATH"} \
		${ASAN_OPTIONS:+ASAN_OPTIONS="$ASAN_OPTIONS"} \
		${UBSAN_OPTIONS:+UBSAN_OPTIONS="$UBSAN_OPTIONS"} "$@"
}

as_owner()
{
	(exec_as_owner "$@")
}

# The same for a command that may take long: signals get through to us, and to
# it at our exit.
run_as_owner()
{
	local status=0

	exec_as_owner setsid "$@" </dev/null &
	child=$!
	wait "$child" || status=$?
	child=
	return "$status"
}

# End the long command that is running, if there is one.
end_child()
{
	local try

	if [ -n "$child" ] && kill -TERM -- "-$child" 2>/dev/null; then
		for try in {1..50}; do
			kill -0 -- "-$child" 2>/dev/null || break
			sleep 0.1
		done
		kill -KILL -- "-$child" 2>/dev/null || true
	fi
}

# Stop all servers below $tmp, those of TAP tests too.
stop_all_servers()
{
	local pidfile

	find "$tmp" -name postmaster.pid 2>/dev/null | while read -r pidfile; do
		as_owner pg_ctl stop -D "${pidfile%/*}" -m immediate \
			</dev/null >/dev/null 2>&1 || true
	done
}

# Stop everything that runs below $tmp, and remove it.
cleanup()
{
	local try

	trap '' INT TERM HUP
	end_child
	if [ ! -d "$tmp" ]; then
		return 0
	fi
	stop_all_servers
	if [ -n "${KEEP:-}" ]; then
		say "kept: $tmp"
		return 0
	fi
	# a dying process may still write
	for try in 1 2 3 4 5; do
		rm -rf "$tmp" 2>/dev/null && break
		sleep "$try"
	done
}

# --- build ------------------------------------------------------------------

# Make $tmp. Its name is short because a socket's may have 107 bytes.
make_tmp()
{
	tmp=$(mktemp -d /tmp/ddbs.XXXXXX)
	if [ "$(id -u)" -eq 0 ]; then
		owner=postgres
		id "$owner" >/dev/null 2>&1 || die "there is no user $owner"
		chown "$owner:" "$tmp"
	else
		owner=$(id -un)
	fi
}

# Run make quietly; show its output only if it fails.
quiet_make()
{
	if ! run_as_owner make -s -C "$tmp/src" PG_CONFIG="$pg_config" \
			${CC:+CC="$CC"} ${OPTIMIZE:+OPTIMIZE="$OPTIMIZE"} "$@" >"$tmp/make.log" 2>&1; then
		cat "$tmp/make.log" >&2
		die "make $* failed"
	fi
}

# Does the server have this setting?
server_knows()
{
	local settings

	# not in a pipe: with pipefail, grep -q would make the answer "no"
	settings=$("$bindir/postgres" --describe-config) ||
		die "$bindir/postgres does not run"
	grep -q "^$1	" <<<"$settings"
}

# Copy the tree, for the checkout may be unreadable to $owner.
copy_sources()
{
	as_owner mkdir "$tmp/src"
	tar -C "$root" -c --exclude=./.git --exclude='*.o' --exclude='*.so' \
		--exclude='*.bc' --exclude=./ddbstreams-gateway --exclude=./results --exclude=./output_iso \
		--exclude=./tmp_check . | as_owner tar -C "$tmp/src" -x -m --no-same-owner
}

# Can the server look for extensions in a private place?
can_install_privately()
{
	server_knows extension_destdir || server_knows extension_control_path
}

# Install what is built in $tmp/src privately, and set $server_conf to the lines
# that lead a server to it. Arguments go to make. The gateway is built, too.
install_built()
{
	server_conf="shared_preload_libraries = 'ddbstreams'"
	quiet_make gateway "$@"
	if ! can_install_privately; then
		say "this server has no private place for extensions: make install"
		if [ "$(id -u)" -eq 0 ] || [ -w "$("$pg_config" --pkglibdir)" ]; then
			make -C "$tmp/src" PG_CONFIG="$pg_config" install "$@" >/dev/null
		else
			sudo make -C "$tmp/src" PG_CONFIG="$pg_config" install "$@" >/dev/null
		fi
		return
	fi
	if server_knows extension_destdir; then
		server_conf+="
extension_destdir = '$tmp/inst'"
	else
		server_conf+="
extension_control_path = '$tmp/inst$("$pg_config" --sharedir):\$system'"
	fi
	# extension_destdir covers \$libdir/name but not the bare name in
	# shared_preload_libraries
	server_conf+="
dynamic_library_path = '$tmp/inst$("$pg_config" --pkglibdir):\$libdir'"
	quiet_make install DESTDIR="$tmp/inst" "$@"
}

# Copy the tree, build and install it. Arguments go to make.
build()
{
	say "building with $("$pg_config" --version)"
	copy_sources
	quiet_make -j"$(nproc)" "$@"
	install_built "$@"
}

# What a script has to say after cleanup, however it ends; it may redefine this.
last_words()
{
	:
}

# Everything up to an installed extension: packages ("check" or "demo"), $tmp,
# $pg_config, $bindir, the build. Further arguments go to make.
prepare()
{
	trap 'cleanup; last_words' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	install_packages "$1"
	pg_config=$(find_pg_config)
	bindir=$("$pg_config" --bindir)
	make_tmp
	cd "$tmp"
	build "${@:2}"
}

# --- servers ----------------------------------------------------------------

# Make and start server NAME; it is reached through $tmp/NAME/.s.PGSQL.$port.
# Further arguments are lines for postgresql.conf.
start_server()
{
	local dir=$tmp/$1
	shift

	as_owner mkdir "$dir"
	as_owner initdb -D "$dir/data" -A trust -U postgres -E UTF8 --locale=C -N \
		>"$dir.initdb.log" 2>&1 || { cat "$dir.initdb.log" >&2; return 1; }
	{
		cat <<-CONF
		$server_conf
		listen_addresses = ''
		port = $port
		unix_socket_directories = '$dir'
		max_prepared_transactions = 100
		max_connections = 200
		fsync = off
		log_line_prefix = '%m [%p] %q%a '
		CONF
		printf '%s\n' "$@"
	} | as_owner tee -a "$dir/data/postgresql.conf" >/dev/null
	if ! as_owner pg_ctl start -w -t 60 -D "$dir/data" -l "$dir/log" >/dev/null 2>&1; then
		show_log "$dir/log"
		return 1
	fi
}

stop_server()
{
	as_owner pg_ctl stop -w -D "$tmp/$1/data" -m fast >/dev/null 2>&1 ||
		as_owner pg_ctl stop -w -D "$tmp/$1/data" -m immediate >/dev/null 2>&1
}

# Does server NAME answer? (A killed one may keep its process id for a while.)
server_runs()
{
	as_owner psql -X -q -h "$tmp/$1" -p "$port" -U postgres -d postgres \
		-c 'select 1' >/dev/null 2>&1 </dev/null
}

# Run a long command with the environment that leads psql to server NAME.
in_server()
{
	local name=$1
	shift
	run_as_owner env PGHOST="$tmp/$name" PGPORT="$port" PGUSER=postgres \
		PGDATABASE=postgres PGDATA="$tmp/$name/data" "$@"
}

show_log()
{
	[ -f "$1" ] || return 0
	say "--- the end of ${1#"$tmp/"}"
	tail -n 40 "$1"
}
