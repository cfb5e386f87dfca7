"""Shards that split and roll over while a stress program is at work."""

import random

import psycopg2

import oracle


def reshape(session, arn, most_open, split_chance=0.5):
    """Splits an open shard, if there may be more, or rolls all of them over.
    One that others hold (55006) stays open."""
    opened = [shard for shard, in oracle.rows(session, '''
        select shard_id from ddbstreams.describe_stream(%s)
        where ending_sequence_number is null''', arn)]
    try:
        if len(opened) < most_open and random.random() < split_chance:
            oracle.rows(session, 'select ddbstreams.split_shard(%s, %s)',
                        arn, random.choice(opened))
        else:
            oracle.rows(session, 'select ddbstreams.roll_over(%s)', arn)
    except psycopg2.Error as error:
        if error.pgcode != '55006':
            raise
