#!/bin/bash
# Follows the stream of table orders by iterators, and prints each record as a
# line of JSON.
#
#     follow.sh DIRECTORY
#
# The shards are read in turn. The directory has a file for each shard that says
# how far it is. The file is written after the records are printed, so each
# record is printed at least once. The program ends with an error when it loses
# the database; start it again, and it goes on where it was. Run it once for a
# directory: it does not share the shards with others.

set -euo pipefail
directory=$1

# ask SQL [NAME=VALUE ...]: the rows, with a tab between the columns
ask()
{
    local sql=$1 variable
    local -a options=()

    shift
    for variable in "$@"; do
        options+=(-v "$variable")
    done
    psql -X -q -t -A -F $'\t' -v ON_ERROR_STOP=1 "${options[@]}" <<<"$sql"
}

# How far a shard is: nothing, a sequence number, or "finished"
position_of()
{
    [ ! -f "$directory/$1" ] || cat "$directory/$1"
}

save_position()
{
    printf '%s\n' "$2" >"$directory/$1.new"
    mv "$directory/$1.new" "$directory/$1"
}

# Set iterator to one that goes on behind the last record that was printed.
find_iterator()
{
    local get="select ddbstreams.get_shard_iterator(:'arn', :'shard', 'TRIM_HORIZON')"
    local after="select ddbstreams.get_shard_iterator(:'arn', :'shard', 'AFTER_SEQUENCE_NUMBER', :'number')"
    local number

    number=$(position_of "$1")
    if [ -n "$number" ]; then
        # it fails if records may have expired before they were read
        iterator=$(ask "$after" arn="$arn" shard="$1" number="$number") && return
    fi
    iterator=$(ask "$get" arn="$arn" shard="$1")
}

# Print the next records of a shard, if there are any, and save how far it is.
read_shard()
{
    local page

    find_iterator "$1"
    page=$(ask "select sequence_number, json_build_object('number', sequence_number,
                       'event', event_name, 'keys', keys, 'image', new_image)
                from ddbstreams.get_records(:'iterator');
                select 'finished' where ddbstreams.next_shard_iterator(:'iterator') is null" \
        iterator="$iterator")
    if [ -n "$page" ]; then
        cut -s -f 2 <<<"$page"
        save_position "$1" "$(tail -n 1 <<<"$page" | cut -f 1)"
        something=yes
    fi
}

arn=$(ask "select ddbstreams.latest_stream_arn('orders')")
while :; do
    # the shards that are not finished, and their parents
    unfinished=$(ask "select shard_id, parent_shard_id from ddbstreams.describe_stream(:'arn')" \
            arn="$arn" | while IFS=$'\t' read -r shard parent; do
        [ "$(position_of "$shard")" = finished ] || printf '%s\t%s\n' "$shard" "$parent"
    done)
    [ -n "$unfinished" ] || exit 0      # the stream is disabled, and read to its end

    something=no
    while IFS=$'\t' read -r shard parent; do
        # a parent comes before its children
        cut -f 1 <<<"$unfinished" | grep -qxF -- "${parent:-none}" || read_shard "$shard"
    done <<<"$unfinished"
    # nothing to read now: wait for a second, or until one shard has something
    [ "$something" = yes ] ||
        ask "select ddbstreams.wait_for_records(:'iterator', '1 second')" iterator="$iterator" >/dev/null
done
