/*
 * module.c
 *	  Loading the library.
 *
 * ddbstreams must be preloaded: the locks under which records are appended are
 * in shared memory, and every backend must hear of commits and of DDL.  If it
 * is loaded in any other way, it raises an error that says which line to add
 * to postgresql.conf.  So does the capture trigger in a server that has lost
 * that line, because no change may be made without its record.
 *
 * This file is the top of the layers: it calls the init function of each file
 * that has one, and gives mapping_catalog.c the function of
 * stream_definition.c that it may not name.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"

#include "base/ddbstreams.h"
#include "base/settings.h"
#include "capture/known_values.h"
#include "delivery/call_verdict.h"
#include "delivery/delivery_dispatcher.h"
#include "delivery/handler_mailbox.h"
#include "delivery/handler_worker.h"
#include "mapping/mapping_catalog.h"
#include "module/ddl_hooks.h"
#include "module/maintenance.h"
#include "module/xact_callbacks.h"
#include "shard/append_counts.h"
#include "shard/latest_hint.h"
#include "shard/settled_marks.h"
#include "shard/shard_log.h"
#include "shard/shard_wake.h"
#include "shard/shard_watch.h"
#include "shard/xid_times.h"
#include "stream/stream_definition.h"
#include "worker/launcher.h"
#include "worker/worker_shared.h"

PG_MODULE_MAGIC;

void _PG_init(void);

static shmem_request_hook_type next_shmem_request_hook = NULL;
static shmem_startup_hook_type next_shmem_startup_hook = NULL;

static void
request_shared_memory(void)
{
	if (next_shmem_request_hook)
		next_shmem_request_hook();
	RequestAddinShmemSpace(shard_log_shmem_size());
	RequestAddinShmemSpace(append_counts_shmem_size());
	RequestAddinShmemSpace(latest_hint_shmem_size());
	RequestAddinShmemSpace(settled_marks_shmem_size());
	RequestAddinShmemSpace(xid_times_shmem_size());
	RequestAddinShmemSpace(shard_wake_shmem_size());
	RequestAddinShmemSpace(worker_shared_size());
	RequestAddinShmemSpace(shard_watch_shmem_size());
	RequestAddinShmemSpace(handler_mailbox_shmem_size());
	RequestAddinShmemSpace(call_verdict_shmem_size());
	RequestAddinShmemSpace(known_values_shmem_size());
}

static void
start_shared_memory(void)
{
	if (next_shmem_startup_hook)
		next_shmem_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shard_log_shmem_init();
	append_counts_shmem_init();
	latest_hint_shmem_init();
	settled_marks_shmem_init();
	xid_times_shmem_init();
	shard_wake_shmem_init();
	worker_shared_init();
	shard_watch_shmem_init();
	handler_mailbox_shmem_init();
	call_verdict_shmem_init();
	known_values_shmem_init();
	LWLockRelease(AddinShmemInitLock);
}

void
_PG_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("ddbstreams must be loaded via shared_preload_libraries"),
				 errhint("Add this line to postgresql.conf and restart the server: shared_preload_libraries = 'ddbstreams'")));

	settings_define();
	mapping_changed_hook = stream_definition_note_mappings;
	xact_callbacks_init();
	ddl_hooks_init();

	next_shmem_request_hook = shmem_request_hook;
	shmem_request_hook = request_shared_memory;
	next_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = start_shared_memory;

	launcher_init();
	maintenance_init();
	delivery_dispatcher_init();
	handler_worker_init();
}
