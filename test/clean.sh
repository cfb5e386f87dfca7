# shellcheck shell=bash
#
# Clean Debian systems, each of which is used once: what test/packages and
# test/systems share. A script sources lib.sh and debian.sh, then this file, and
# calls make_work; run_clean runs a script in an overlay over the Debian that
# clean_debian has made, and the overlay goes at its end. Results are added to
# $passed and $failed.

work=
passed=0
failed=0
good=

# Report a check: its name, and the command that must succeed. It must not be
# called in a condition, in which bash passes over "set -e"; $good says how it
# went.
check()
{
	local name=$1 log=$work/check.log status=0
	shift

	set +e
	(set -e; "$@") >"$log" 2>&1
	status=$?
	set -e
	if [ "$status" -eq 0 ]; then
		good=yes
		say "ok $name"
		passed=$((passed + 1))
	else
		good=no
		say "not ok $name"
		tail -n 40 "$log" | sed 's/^/    /'
		failed=$((failed + 1))
	fi
}

# Make $work, and a copy of the tree in it. An overlay's upper directory cannot be
# on an overlay, which /tmp may be.
make_work()
{
	mkdir -p "$cache"
	work=$(mktemp -d "$cache/$1.XXXXXX")
	chmod 755 "$work"
	mkdir "$work/source"
	tar -C "$root" -c --exclude=./.git --exclude='*.o' --exclude='*.so' \
		--exclude=./ddbstreams-gateway . | tar -C "$work/source" -x --no-same-owner
}

cleanup()
{
	trap '' INT TERM HUP
	if [ -n "$child" ]; then
		kill -TERM -- "-$child" 2>/dev/null || true
		wait "$child" || true
	fi
	[ -z "$work" ] || [ -n "${KEEP:-}" ] || rm -rf --one-file-system "$work"
}

# Make the directory that an overlay stands on.
clean_debian()
{
	local suite=$1 dir=$cache/clean-$1 script='' lock

	[ ! -d "$dir" ] || return 0
	mkdir -p "$cache/packages"
	exec {lock}>"$dir.lock"
	flock "$lock"
	if [ ! -d "$dir" ]; then
		say "making a clean Debian $suite in $dir"
		rm -rf --one-file-system "$dir.part"
		# Debian 12 has no script for what is younger
		[ -e "/usr/share/debootstrap/scripts/$suite" ] || script=sid
		run_apart debootstrap --variant=minbase --cache-dir="$cache/packages" \
			--keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
			"$suite" "$dir.part" "$mirror" $script
		mv "$dir.part" "$dir"
	fi
	exec {lock}>&-
}

# Become a script in a clean Debian: an overlay over $cache/clean-SUITE, with
# what it writes in $work/NAME. It finds $work/source in /mnt, read-only, and
# $work/SUITE in /media, for what it leaves; and the packages that apt fetches
# are shared by all.
in_overlay()
{
	local suite=$1 name=$2 cache=$3 work=$4 dir=$4/$2
	shift 4

	mkdir -p "$dir/upper" "$dir/work" "$dir/root" "$work/$suite" "$cache/archives"
	mount -t overlay overlay "$dir/root" \
		-o "lowerdir=$cache/clean-$suite,upperdir=$dir/upper,workdir=$dir/work"
	mount --bind "$work/$suite" "$dir/root/media"
	mount --bind "$cache/archives" "$dir/root/var/cache/apt/archives"
	in_debian "$dir/root" "$work/source" "$@"
}
export -f in_overlay

# Run a script, which is the standard input, in a clean Debian.
run_clean()
{
	local suite=$1 name=$2 status=0 script

	script=$work/$name.sh
	cat >"$script"
	mkdir -p "$work/$suite"
	cp "$script" "$work/$suite/$name.sh"
	run_apart in_overlay "$suite" "$name" "$cache" "$work" \
		env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/root \
		DEBIAN_FRONTEND=noninteractive bash -exuo pipefail "/media/$name.sh" || status=$?
	rm -rf --one-file-system "${work:?}/$name"
	return "$status"
}
