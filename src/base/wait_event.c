/*
 * wait_event.c
 *	  What processes of ddbstreams wait for, as pg_stat_activity shows it.
 */
#include "postgres.h"

#include "base/wait_event.h"

static const char *const names[] = {
	[WAIT_FOR_RECORDS] = "DdbstreamsWaitForRecords",
	[WAIT_FOR_POLL] = "DdbstreamsPoll",
	[WAIT_FOR_CLOSING] = "DdbstreamsCloseShard",
	[WAIT_FOR_WORK] = "DdbstreamsWorkerMain",
	[WAIT_FOR_WORKERS] = "DdbstreamsWorkersEnd"};

uint32
wait_event_info(WaitReason reason)
{
	static uint32 infos[lengthof(names)];

	if (infos[reason] == 0)
		infos[reason] = compat_wait_event_new(names[reason]);
	return infos[reason];
}
