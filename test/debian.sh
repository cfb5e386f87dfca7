# shellcheck shell=bash
#
# Debians in directories, for what this machine's Debian does not have: another
# version of PostgreSQL, or of a neighbour. A script sources lib.sh, then this
# file; bootstrap makes the Debian of a suite, once, in $cache, and
# "run_apart in_debian" runs a command in it.

cache=${DDBSTREAMS_CACHE:-/var/cache/ddbstreams}
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}

# Run a command in a session of its own; signals get through to it, and it does
# not outlive us.
run_child()
{
	local status=0

	setsid setpriv --pdeathsig "$@" </dev/null &
	child=$!
	wait "$child" || status=$?
	child=
	return "$status"
}

# The same, with mounts and process ids of its own; also for a function that is
# exported.
run_apart()
{
	# shellcheck disable=SC2016 # the inner shell expands
	run_child KILL unshare --mount --pid --fork --kill-child=TERM --mount-proc \
		bash -ec 'as_init "$@"' as_init "$@"
}

# Run a command as the first process does, which gets no signal that it does not
# handle. What the command leaves running ends with us.
as_init()
{
	local command='' status=0

	trap '[ -z "$command" ] || kill -TERM "$command"' TERM INT HUP
	"$@" &
	command=$!
	# a signal ends a wait, but not the command
	while kill -0 "$command" 2>/dev/null; do
		wait "$command" && status=0 || status=$?
	done
	return "$status"
}
export -f as_init

# Let apt take a version of PostgreSQL from experimental, and nothing else. Its
# libpq comes along: the headers of a server want those of its own libpq.
add_experimental()
{
	local dir=$1

	echo "deb $mirror experimental main" >>"$dir/etc/apt/sources.list"
	cat >"$dir/etc/apt/preferences.d/ddbstreams" <<-'END'
		Package: src:postgresql-19
		Pin: release a=experimental
		Pin-Priority: 500
	END
}

# Make the directory of a suite. It gets its name only when it is complete.
# Experimental is a few packages for sid, and no suite that stands alone.
bootstrap()
{
	local suite=$1 dir=$cache/$1 lock base=$1 script='' status=0

	[ ! -d "$dir" ] || return 0
	install_packages matrix
	mkdir -p "$cache/packages"
	exec {lock}>"$cache/$suite.lock"
	flock "$lock"
	if [ ! -d "$dir" ]; then
		say "making Debian $suite in $dir"
		rm -rf --one-file-system "$dir.part"
		[ "$suite" != experimental ] || base=sid
		# Debian 12 has no script for what is younger
		[ -e "/usr/share/debootstrap/scripts/$base" ] || script=sid
		run_apart debootstrap --variant=minbase --cache-dir="$cache/packages" \
			--keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
			"$base" "$dir.part" "$mirror" $script \
			>"$cache/$suite.log" 2>&1 || status=$?
		[ "$status" -ne 0 ] || [ "$suite" != experimental ] ||
			add_experimental "$dir.part" || status=$?
		if [ "$status" -eq 0 ]; then
			mv "$dir.part" "$dir"
		else
			tail -n 20 "$cache/$suite.log"
			say "could not make Debian $suite: see $cache/$suite.log"
		fi
	fi
	exec {lock}>&-
	return "$status"
}

# Become a command in the Debian of a directory, with the source tree in /mnt.
# The mounts that this makes must be its own.
in_debian()
{
	local dir=$1 tree=$2
	shift 2

	mount -t proc proc "$dir/proc"
	mount --rbind /dev "$dir/dev"
	mount -t tmpfs -o mode=1777 tmpfs "$dir/dev/shm"
	mount --bind "$tree" "$dir/mnt"
	mount -o remount,bind,ro "$dir/mnt"
	# no service is to start there
	printf '#!/bin/sh\nexit 101\n' >"$dir/usr/sbin/policy-rc.d"
	chmod 755 "$dir/usr/sbin/policy-rc.d"
	# a mirror of a distribution in the making may be some days behind
	echo 'Acquire::Check-Valid-Until "false";' >"$dir/etc/apt/apt.conf.d/ddbstreams"
	if [ -e /etc/resolv.conf ] &&
		! cmp -s /etc/resolv.conf "$dir/etc/resolv.conf"; then
		rm -f "$dir/etc/resolv.conf"
		cat /etc/resolv.conf >"$dir/etc/resolv.conf"
	fi
	# what an installation that was killed has left
	chroot "$dir" flock /run/lock/ddbstreams-apt dpkg --configure -a </dev/null
	exec chroot "$dir" "$@"
}
export -f in_debian
