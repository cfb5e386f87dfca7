# shellcheck shell=bash
#
# The parts of test/check that test/mutations/run runs, too: regress tests,
# isolation specs, TAP tests and stress programs. A script sources lib.sh, then
# this file, and calls prepare; run_PART takes the names of tests, or none for
# all. Results are added to $passed and $failed.

passed=0
failed=0

# What test/settings has of its own: the name of the run, further options of
# pg_regress, and lines for postgresql.conf
run_name=
regress_options=()
regress_conf=()

# Add results, and say them in a line.
count()
{
	local what=$1 good=$2 bad=$3

	passed=$((passed + good))
	failed=$((failed + bad))
	if [ "$bad" -gt 0 ]; then
		say "FAILED  $what ($good passed, $bad failed)"
	else
		say "ok      $what ($good passed)"
	fi
}

# Does a log tell of a crash, or of undefined behaviour that ended a process
# (test/sanitize)? (Signals 9 and 15 are what tests send.)
crashed()
{
	grep -qE 'terminated by signal (4|5|6|7|8|11)\b|PANIC:|TRAP:|^[^ ]+: runtime error: ' \
		"$@" 2>/dev/null
}

# A server that has crashed or is gone is a failure of its own.
check_server()
{
	local name=$1

	if crashed "$tmp/$name/log" || ! server_runs "$name"; then
		count "server of $name: crashed" 0 1
		show_log "$tmp/$name/log"
	fi
	stop_server "$name" || true
}

# Print where PostgreSQL has its programs and modules for tests.
pgxs_test()
{
	cd "$(dirname "$("$pg_config" --pgxs)")/../test" && pwd
}

# Set names to those of the tests in DIR that end in SUFFIX: all of them, or the
# ones asked for, by name or by path.
choose()
{
	local dir=$1 suffix=$2 file name
	shift 2

	names=()
	for file in "$tmp/src/$dir"/*"$suffix"; do
		name=${file##*/}
		[ ! -f "$file" ] || names+=("${name%"$suffix"}")
	done
	[ $# -gt 0 ] || return 0
	names=()
	for name in "$@"; do
		name=${name##*/}
		name=${name%"$suffix"}
		[ -f "$tmp/src/$dir/$name$suffix" ] || die "no test $dir/$name$suffix"
		names+=("$name")
	done
}

# Run pg_regress or its isolation variant over tests, and count from its
# report: 15 prints "test name ... ok", later versions TAP.
run_pg_regress()
{
	local kind=$run_name$1 program=$2 options=$3 status=0 good out log
	shift 3

	out=$tmp/$kind.out log=$tmp/$kind.log
	as_owner mkdir "$out"
	start_server "$kind" "${regress_conf[@]}" || { count "$kind: no server" 0 $#; return 0; }
	cd "$tmp/src"
	# shellcheck disable=SC2086 # options are several words
	in_server "$kind" "$(pgxs_test)/$program" --bindir="$bindir" \
		--outputdir="$out" $options "${regress_options[@]}" "$@" >"$log" 2>&1 || status=$?
	cd "$tmp"
	grep -E '^(test |ok |not ok )' "$log" | sed 's/^/        /' || true
	good=$(grep -cE '^test .*\.\.\. +ok|^ok [0-9]+ ' "$log" || true)
	count "$kind" "$good" $(($# - good))
	if [ "$good" -ne $# ] || [ "$status" -ne 0 ]; then
		if [ -s "$out/regression.diffs" ]; then
			head -n 400 "$out/regression.diffs"
		else
			tail -n 20 "$log"
		fi
	fi
	if [ "$good" -eq $# ] && [ "$status" -ne 0 ]; then
		count "$kind: ended with status $status" 0 1
	fi
	check_server "$kind"
}

run_regress()
{
	local -a names

	choose test/sql .sql "$@"
	[ ${#names[@]} -gt 0 ] || return 0
	# the test that creates the extension goes first, always
	if [ -f "$tmp/src/test/sql/extension.sql" ]; then
		mapfile -t names < <(say extension
			printf '%s\n' "${names[@]}" | grep -vx extension)
	fi
	run_pg_regress regress regress/pg_regress \
		"--inputdir=test --dbname=contrib_regression" "${names[@]}"
}

# The regress tests in databases in which the extension was made in its first
# version and updated: that is how CREATE EXTENSION makes it if there is no
# script that makes the present version at once.
run_updated()
{
	local -a names
	local version script

	choose test/sql .sql "$@"
	[ ${#names[@]} -gt 0 ] || return 0
	version=$(sed -n "s/^default_version = '\(.*\)'/\1/p" "$tmp/src/ddbstreams.control")
	script=$tmp/inst$("$pg_config" --sharedir)/extension/ddbstreams--$version.sql
	if [ ! -f "$script" ]; then
		say "skipped updated: extensions are installed for all"
		return 0
	fi
	mv "$script" "$tmp/fresh.sql"
	mapfile -t names < <(say extension
		printf '%s\n' "${names[@]}" | grep -vx extension)
	run_pg_regress updated regress/pg_regress \
		"--inputdir=test --dbname=contrib_regression" "${names[@]}"
	mv "$tmp/fresh.sql" "$script"
}

run_isolation()
{
	local -a names

	choose test/isolation/specs .spec "$@"
	[ ${#names[@]} -gt 0 ] || return 0
	run_pg_regress isolation isolation/pg_isolation_regress \
		"--inputdir=test/isolation --dbname=isolation_regression --load-extension=ddbstreams" \
		"${names[@]}"
}

# One TAP test. Assertions are counted at top level; one marked TODO counts as
# passed, a skipped one not at all.
run_tap_file()
{
	local name=$1 dir=$tmp/tap/$1 status=0 good bad note='' log

	as_owner mkdir -p "$dir"
	cd "$tmp/src/test"
	run_as_owner env TESTDIR="$dir" TESTDATADIR="$dir/tmp_check" \
		TESTLOGDIR="$dir/tmp_check/log" TEMP_CONFIG="$tmp/temp.conf" \
		PG_TEST_PORT_DIR="$tmp/ports" PG_REGRESS="$(pgxs_test)/regress/pg_regress" \
		prove --verbose --norc -I "$(pgxs_test)/perl" -I t "t/$name.pl" \
		>"$dir/log" 2>&1 || status=$?
	cd "$tmp"
	bad=$(grep -E '^not ok [0-9]' "$dir/log" | grep -vcE '# TODO' || true)
	good=$(grep -E '^(not )?ok [0-9]' "$dir/log" | grep -E '^ok|# TODO' |
		grep -vciE '# skip' || true)
	if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then
		bad=1 note=": did not reach its end"
	elif [ "$good" -eq 0 ] && [ "$bad" -eq 0 ]; then
		say "skipped tap $name: $(sed -n 's/^.* skipped: //p' "$dir/log")"
		return 0
	fi
	if [ "$bad" -eq 0 ] && crashed "$dir"/tmp_check/log/*.log; then
		bad=1 note=": a server crashed"
	fi
	count "tap $name$note" "$good" "$bad"
	if [ "$bad" -gt 0 ]; then
		# what failed, with the lines that say how, and the end; the two streams
		# of the test's output do not come in order
		grep -E -A 5 '^not ok [0-9]|^# +Failed test' "$dir/log" || true
		tail -n 60 "$dir/log"
		for log in "$dir"/tmp_check/log/*.log; do
			show_log "$log"
		done
	else
		rm -rf "$dir"
	fi
}

run_tap()
{
	local name
	local -a names

	choose test/t .pl "$@"
	as_owner mkdir -p "$tmp/ports"
	printf '%s\n' "$server_conf" | as_owner tee "$tmp/temp.conf" >/dev/null
	for name in "${names[@]}"; do
		run_tap_file "$name"
	done
}

# One stress program, in a server of its own that it may kill and restart.
run_stress_program()
{
	local name=$1 status=0
	local server=stress_${name%.*}

	say "run     stress $name"
	start_server "$server" || { count "stress $name: no server" 0 1; return 0; }
	cd "$tmp/src"
	in_server "$server" "test/stress/$name" >"$tmp/$server.out" 2>&1 || status=$?
	cd "$tmp"
	sed 's/^/        /' "$tmp/$server.out"
	if [ "$status" -eq 0 ]; then
		count "stress $name" 1 0
	else
		count "stress $name: status $status" 0 1
		show_log "$tmp/$server/log"
	fi
	check_server "$server"
}

run_stress()
{
	local name
	local -a names

	choose test/stress '' "$@"
	for name in "${names[@]}"; do
		case $name in
			*.sh | *.py | *.pl)
				# what is not executable is a library of the others
				[ ! -x "$tmp/src/test/stress/$name" ] || run_stress_program "$name"
				;;
		esac
	done
}

# Run test/docs or test/programs, or a program like them, beside server NAME, and
# count from what it prints.
run_examples()
{
	local server=$1 what=$2 status=0 good bad out=$tmp/examples.out
	shift 2

	cd "$tmp/src"
	in_server "$server" env NODE_PATH="$tmp/node/usr/share/nodejs" "$@" >"$out" 2>&1 || status=$?
	cd "$tmp"
	good=$(grep -c '^ok ' "$out" || true)
	bad=$(grep -c '^not ok ' "$out" || true)
	grep -v '^ok ' "$out" | sed 's/^/        /' || true
	if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then
		count "$what: did not reach its end" "$good" 1
	else
		count "$what" "$good" "$bad"
	fi
}
