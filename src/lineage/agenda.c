/*
 * agenda.c
 *	  When there will be something to roll over or to drop.
 *
 * A maintenance run reads the lists of all streams and shards to find what is
 * to be rolled over or dropped.  In most runs that is nothing, and what the
 * lists say tells when they have to be read again.  The next runs leave them
 * alone until then, or until a transaction has changed a stream or a shard
 * (worker_databases.c).
 *
 * Times are those of clock_now.  If it has been set back the lists are read,
 * and they are read once in LISTS_INTERVALS runs whatever they said: settings
 * may have changed.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/settings.h"
#include "lineage/agenda.h"
#include "worker/worker_databases.h"

#define LISTS_INTERVALS 30

static bool		   is_due = true;
static TimestampTz begun_at;
static TimestampTz next;
static uint32	   changes;

void
agenda_begin(void)
{
	TimestampTz read;
	TimestampTz due;

	worker_databases_lists(&read, &due, &changes);
	begun_at = clock_now();
	is_due = worker_databases_is_thorough_run() || begun_at >= due || begun_at < read;
	next = TimestampTzPlusMilliseconds(begun_at, (int64) setting_maintenance_interval *
													 LISTS_INTERVALS);
}

bool
agenda_is_due(void)
{
	return is_due;
}

void
agenda_note(TimestampTz time)
{
	next = Min(next, time);
}

void
agenda_end(void)
{
	if (is_due)
		worker_databases_set_lists(begun_at, next, changes);
}
