/*
 * compat.h
 *	  The only file that knows PostgreSQL versions.  Each shim says why.
 */
#ifndef DDBSTREAMS_COMPAT_H
#define DDBSTREAMS_COMPAT_H

#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/tupdesc.h"
#include "commands/defrem.h"
#include "nodes/parsenodes.h"
#include "storage/bufmgr.h"
#include "storage/fd.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "storage/sinvaladt.h"
#include "utils/jsonb.h"
#include "utils/rel.h"
#include "utils/wait_event.h"

#if PG_VERSION_NUM < 150000
#error "ddbstreams needs PostgreSQL 15 or later"
#endif

/* 17 has the setting transaction_timeout, which raises a FATAL error. */
#if PG_VERSION_NUM >= 170000
#define COMPAT_HAS_TRANSACTION_TIMEOUT
#endif

/* 17 keeps signal handlers in a table behind one function. */
#if PG_VERSION_NUM >= 170000
#define COMPAT_HAS_TABLE_OF_SIGNALS
#endif

/* 17 lets an extension name its wait events; before, there is one for all. */
#if PG_VERSION_NUM >= 170000
#define compat_wait_event_new(name) WaitEventExtensionNew(name)
#else
#define compat_wait_event_new(name) ((void) (name), PG_WAIT_EXTENSION)
#endif

/* 16 took the macros for varlenas out of postgres.h. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* 19 marks a case that goes on with the next one by an attribute. */
#if PG_VERSION_NUM < 190000 && !defined(pg_fallthrough)
#define pg_fallthrough __attribute__((fallthrough))
#endif

/* 18 has pg_noreturn instead, which goes in front and not behind. */
#if PG_VERSION_NUM >= 180000
#define pg_attribute_noreturn() __attribute__((noreturn))
#endif

/* 16 replaced the ownership checks of each catalogue by a generic one. */
#if PG_VERSION_NUM >= 160000
#include "catalog/pg_class_d.h"
#include "catalog/pg_database_d.h"
#include "catalog/pg_extension_d.h"
#include "catalog/pg_namespace_d.h"
#include "catalog/pg_proc_d.h"
#define compat_owns_relation(relid, roleid) \
	object_ownercheck(RelationRelationId, relid, roleid)
#define compat_owns_database(database, roleid) \
	object_ownercheck(DatabaseRelationId, database, roleid)
#define compat_owns_extension(extension, roleid) \
	object_ownercheck(ExtensionRelationId, extension, roleid)
#else
#define compat_owns_relation(relid, roleid) \
	pg_class_ownercheck(relid, roleid)
#define compat_owns_database(database, roleid) \
	pg_database_ownercheck(database, roleid)
#define compat_owns_extension(extension, roleid) \
	pg_extension_ownercheck(extension, roleid)
#endif

/* 16 did the same with the checks of privileges. */
#if PG_VERSION_NUM >= 160000
#define compat_namespace_aclcheck(schema, roleid, mode) \
	object_aclcheck(NamespaceRelationId, schema, roleid, mode)
#define compat_function_aclcheck(function, roleid, mode) \
	object_aclcheck(ProcedureRelationId, function, roleid, mode)
#define compat_database_aclcheck(database, roleid, mode) \
	object_aclcheck(DatabaseRelationId, database, roleid, mode)
#else
#define compat_namespace_aclcheck(schema, roleid, mode) \
	pg_namespace_aclcheck(schema, roleid, mode)
#define compat_function_aclcheck(function, roleid, mode) \
	pg_proc_aclcheck(function, roleid, mode)
#define compat_database_aclcheck(database, roleid, mode) \
	pg_database_aclcheck(database, roleid, mode)
#endif

/* 17 made intervals infinite. */
#if PG_VERSION_NUM < 170000
#define INTERVAL_NOT_FINITE(interval) ((void) (interval), false)
#define INTERVAL_IS_NOBEGIN(interval) ((void) (interval), false)
#endif

/* 16 lets a role be a member of another without being able to become it. */
#if PG_VERSION_NUM >= 160000
#define compat_may_set_role(member, roleid) member_can_set_role(member, roleid)
#else
#define compat_may_set_role(member, roleid) is_member_of_role(member, roleid)
#endif

/* Before 17 a background worker runs only as a role that may log in. */
#define COMPAT_WORKER_NEEDS_LOGIN (PG_VERSION_NUM < 170000)
#if PG_VERSION_NUM >= 170000
#define COMPAT_WORKER_AS_ANY_ROLE BGWORKER_BYPASS_ROLELOGINCHECK
#else
#define COMPAT_WORKER_AS_ANY_ROLE 0
#endif

/* 17 joined LockOrStrongerHeldByMe with LockHeldByMe. */
#if PG_VERSION_NUM >= 170000
#define compat_lock_held_by_me(tag, mode) LockHeldByMe(tag, mode, false)
#else
#define compat_lock_held_by_me(tag, mode) LockHeldByMe(tag, mode)
#endif

/* 16 let FileWrite take constant data. */
#if PG_VERSION_NUM < 160000
#define compat_file_write(file, data, size, offset)                          \
	FileWrite(file, unconstify(char *, (const char *) (data)), size, offset, \
			  WAIT_EVENT_BUFFILE_WRITE)
#else
#define compat_file_write(file, data, size, offset) \
	FileWrite(file, data, size, offset, WAIT_EVENT_BUFFILE_WRITE)
#endif

/* 18 keeps a compact copy of each attribute and has virtual columns. */
#if PG_VERSION_NUM >= 180000
#define compat_finish_attribute(tupdesc, i) populate_compact_attribute(tupdesc, i)
#define COMPAT_GENERATED_VIRTUAL			'v'
#else
#define compat_finish_attribute(tupdesc, i) \
	(TupleDescAttr(tupdesc, i)->attcacheoff = -1)
#define COMPAT_GENERATED_VIRTUAL (-1)
#endif

/* 18 computes virtual columns by expressions; before it there are none. */
#if PG_VERSION_NUM >= 180000
#define compat_generation_expression(rel, attnum) \
	build_generation_expression(rel, attnum)
#else
#define compat_generation_expression(rel, attnum) ((Node *) NULL)
#endif

/*
 * makeIndexInfo got one more argument in 16 (summarizing), and in 18
 * (overlaps).
 */
#if PG_VERSION_NUM >= 180000
#define COMPAT_INDEX_INFO_TAIL , false, false
#elif PG_VERSION_NUM >= 160000
#define COMPAT_INDEX_INFO_TAIL , false
#else
#define COMPAT_INDEX_INFO_TAIL
#endif

/* 17 made index_create take operator class options and statistics targets. */
#if PG_VERSION_NUM >= 170000
#define COMPAT_INDEX_COLUMN_OPTIONS(options) NULL, options, NULL
#else
#define COMPAT_INDEX_COLUMN_OPTIONS(options) options
#endif

/* 16 lets EnableDisableTrigger find triggers by their parent, and recurse. */
#if PG_VERSION_NUM >= 160000
#define compat_enable_disable_trigger(rel, name, fires_when, lockmode) \
	EnableDisableTrigger(rel, name, InvalidOid, fires_when, false, false, lockmode)
#else
#define compat_enable_disable_trigger(rel, name, fires_when, lockmode) \
	EnableDisableTrigger(rel, name, fires_when, false, lockmode)
#endif

/* 19 wants a descriptor to be finished when it has all its attributes. */
#if PG_VERSION_NUM >= 190000
#define compat_finish_descriptor(tupdesc) TupleDescFinalize(tupdesc)
#else
#define compat_finish_descriptor(tupdesc) ((void) 0)
#endif

/* 19 has flags for scans; 18 counts the searches of an index for EXPLAIN. */
#if PG_VERSION_NUM >= 190000
#define compat_table_beginscan(rel, snapshot, nkeys, keys) \
	table_beginscan(rel, snapshot, nkeys, keys, SO_NONE)
#define compat_index_beginscan(heap, index, snapshot, keys, orderbys) \
	index_beginscan(heap, index, snapshot, NULL, keys, orderbys, SO_NONE)
#elif PG_VERSION_NUM >= 180000
#define compat_table_beginscan(rel, snapshot, nkeys, keys) \
	table_beginscan(rel, snapshot, nkeys, keys)
#define compat_index_beginscan(heap, index, snapshot, keys, orderbys) \
	index_beginscan(heap, index, snapshot, NULL, keys, orderbys)
#else
#define compat_table_beginscan(rel, snapshot, nkeys, keys) \
	table_beginscan(rel, snapshot, nkeys, keys)
#define compat_index_beginscan(heap, index, snapshot, keys, orderbys) \
	index_beginscan(heap, index, snapshot, keys, orderbys)
#endif

/*
 * Updates a row; returns whether the new version needs entries in the indexes.
 * 16 made simple_heap_update say that.
 */
static inline bool
compat_heap_update(Relation rel, ItemPointer tid, HeapTuple tuple)
{
#if PG_VERSION_NUM >= 160000
	TU_UpdateIndexes indexes;

	simple_heap_update(rel, tid, tuple, &indexes);
	return indexes != TU_None;
#else
	simple_heap_update(rel, tid, tuple);
	return !HeapTupleIsHeapOnly(tuple);
#endif
}

/* 16 renamed relfilenode to relfilenumber. */
#if PG_VERSION_NUM >= 160000
typedef RelFileLocator CompatFileLocator;
#define compat_locators_equal(a, b)	   RelFileLocatorEquals(a, b)
#define compat_file_locator(rel)	   ((rel)->rd_locator)
#define compat_locator_number(locator) ((locator).relNumber)
#define compat_file_number(rel)		   ((rel)->rd_locator.relNumber)
#define compat_new_file_subid(rel)	   ((rel)->rd_newRelfilelocatorSubid)
#define compat_first_file_subid(rel)   ((rel)->rd_firstRelfilelocatorSubid)
#else
typedef RelFileNode CompatFileLocator;
#define compat_locators_equal(a, b)	   RelFileNodeEquals(a, b)
#define compat_file_locator(rel)	   ((rel)->rd_node)
#define compat_locator_number(locator) ((locator).relNode)
#define compat_file_number(rel)		   ((rel)->rd_node.relNode)
#define compat_new_file_subid(rel)	   ((rel)->rd_newRelfilenodeSubid)
#define compat_first_file_subid(rel)   ((rel)->rd_firstRelfilenodeSubid)
#endif

/* Has this transaction given the relation another file? */
#define compat_has_new_file(rel)                              \
	(compat_new_file_subid(rel) != InvalidSubTransactionId || \
	 compat_first_file_subid(rel) != InvalidSubTransactionId)

/* 16 lets make_range report errors softly. */
#if PG_VERSION_NUM >= 160000
#define compat_make_range(typcache, lower, upper) \
	make_range(typcache, lower, upper, false, NULL)
#else
#define compat_make_range(typcache, lower, upper) \
	make_range(typcache, lower, upper, false)
#endif

/* 19 can tell whether a domain has volatile constraints. */
#if PG_VERSION_NUM >= 190000
#define compat_domain_has_constraints(type) DomainHasConstraints(type, NULL)
#else
#define compat_domain_has_constraints(type) DomainHasConstraints(type)
#endif

/* 19 keeps the value that pushJsonbValue builds with the state of building. */
#if PG_VERSION_NUM >= 190000
typedef JsonbInState CompatJsonbState;
#define compat_push_jsonb(state, token, value) \
	pushJsonbValue(state, token, value)
#else
typedef struct
{
	JsonbParseState *stack;
	JsonbValue		*result;
} CompatJsonbState;
#define compat_push_jsonb(state, token, value) \
	((state)->result = pushJsonbValue(&(state)->stack, token, value))
#endif

/* 19 names a tranche of LWLocks when it makes it, and only then. */
#if PG_VERSION_NUM >= 190000
#define compat_new_tranche(name)		  LWLockNewTrancheId(name)
#define compat_register_tranche(id, name) ((void) (id))
#else
#define compat_new_tranche(name)		  LWLockNewTrancheId()
#define compat_register_tranche(id, name) LWLockRegisterTranche(id, name)
#endif

/* 19 tells signal handlers which process has sent the signal. */
#if PG_VERSION_NUM >= 190000
#define compat_crash_exit(signal_number) \
	SignalHandlerForCrashExit(signal_number, &(pg_signal_info){0})
#define compat_die(signal_number, info) \
	die(signal_number, &(pg_signal_info){.pid = (info)->si_pid, .uid = (info)->si_uid})
#else
#define compat_crash_exit(signal_number) SignalHandlerForCrashExit(signal_number)
#define compat_die(signal_number, info)	 die(signal_number)
#define PG_SIG_DFL						 SIG_DFL
#endif

/* 19 tells the planner which EXPLAIN it works for. */
#if PG_VERSION_NUM >= 190000
#define COMPAT_PLANNER_TAIL , ExplainState *explain
#define COMPAT_PLANNER_PASS , explain
#else
#define COMPAT_PLANNER_TAIL
#define COMPAT_PLANNER_PASS
#endif

/* 19 made CLUSTER a kind of REPACK. */
#if PG_VERSION_NUM >= 190000
#define compat_is_cluster(command) IsA(command, RepackStmt)
#else
#define compat_is_cluster(command) IsA(command, ClusterStmt)
#endif

/* Returns the table that 19 copies while it is written to, or NULL. */
static inline RangeVar *
compat_repacked_concurrently(Node *command)
{
#if PG_VERSION_NUM >= 190000
	ListCell *lc;

	if (!IsA(command, RepackStmt) || ((RepackStmt *) command)->relation == NULL)
		return NULL;
	foreach (lc, ((RepackStmt *) command)->params)
	{
		DefElem *option = lfirst_node(DefElem, lc);

		if (strcmp(option->defname, "concurrently") == 0 && defGetBoolean(option))
			return ((RepackStmt *) command)->relation->relation;
	}
#endif
	return NULL;
}

#if PG_VERSION_NUM < 160000
/*
 * Makes a relation's file longer by count pages of zeros that have room on the
 * disk, as 16 does it.  Returns false if that is not possible; the caller then
 * writes one page after another, and meets the error, if there is one.
 */
static inline bool
compat_allocate_pages(Relation rel, BlockNumber first, int count)
{
	bool done = false;

#ifdef HAVE_POSIX_FALLOCATE
	BlockNumber segment = first / RELSEG_SIZE;
	BlockNumber within = first % RELSEG_SIZE;
	char	   *path;
	char		file[MAXPGPATH];
	int			fd;

	/* The segment's file exists, and ends where these pages begin. */
	if (within == 0 || within + count > RELSEG_SIZE)
		return false;
	path = relpathperm(rel->rd_node, MAIN_FORKNUM);
	snprintf(file, sizeof(file), segment > 0 ? "%s.%u" : "%s", path, segment);
	pfree(path);
	fd = BasicOpenFile(file, O_RDWR | PG_BINARY);
	if (fd >= 0)
	{
		done = posix_fallocate(fd, (off_t) within * BLCKSZ,
							   (off_t) count * BLCKSZ) == 0;
		close(fd);
	}
#endif
	return done;
}
#endif

#if PG_VERSION_NUM < 160000
/*
 * Looks at the shared buffer that will be used next, if it can be told by two
 * that were used one after the other.  A new backend has a page fault for each
 * 4 kB of a buffer that it writes to; one that it reads first brings all of
 * the 64 kB around it that are in memory.
 */
static inline void
compat_expect_buffer(Buffer before, Buffer last)
{
	Buffer next = last + (last > before ? 1 : -1);

	if (abs(last - before) <= 8 && next > 0 && next <= NBuffers)
		(void) *(volatile char *) BufferGetBlock(next);
}
#endif

/*
 * 16 adds several pages to a relation at once.  Returns how many pages of
 * zeros were added, at least one and not more than wanted; they are pinned.
 * The caller sees to it that no other backend extends the relation.
 */
static inline int
compat_add_pages(Relation rel, int wanted, Buffer *buffers)
{
#if PG_VERSION_NUM >= 160000
	uint32 added;

	(void) ExtendBufferedRelBy(BMR_REL(rel), MAIN_FORKNUM, NULL,
							   EB_SKIP_EXTENSION_LOCK, wanted, buffers, &added);
	return added;
#else
	BlockNumber first = RelationGetNumberOfBlocks(rel);

	/* To open and close the file costs as much as to write some pages. */
	if (wanted < 4 || !compat_allocate_pages(rel, first, wanted))
	{
		buffers[0] = ReadBufferExtended(rel, MAIN_FORKNUM, P_NEW, RBM_NORMAL,
										NULL);
		return 1;
	}
	for (int i = 0; i < wanted; i++)
	{
		buffers[i] = ReadBufferExtended(rel, MAIN_FORKNUM, first + i,
										RBM_ZERO_AND_LOCK, NULL);
		LockBuffer(buffers[i], BUFFER_LOCK_UNLOCK);
		if (i > 0)
			compat_expect_buffer(buffers[i - 1], buffers[i]);
	}
	return wanted;
#endif
}

/* 16 lets a name that is no name be reported softly. */
#if PG_VERSION_NUM >= 160000
#define compat_qualified_name_list(text) stringToQualifiedNameList(text, NULL)
#else
#define compat_qualified_name_list(text) stringToQualifiedNameList(text)
#endif

/* 15.4 gives a database whose dropping was interrupted this datconnlimit. */
#define COMPAT_DATCONNLIMIT_INVALID (-2)

/*
 * 17 replaced backend ids by process numbers.  Returns the process that has a
 * virtual transaction id, or NULL if it has ended.  A PGPROC is never freed,
 * but asking twice may give NULL the second time.
 */
static inline PGPROC *
compat_vxid_process(VirtualTransactionId vxid)
{
#if PG_VERSION_NUM >= 170000
	return vxid.procNumber == INVALID_PROC_NUMBER ? NULL :
													ProcNumberGetProc(vxid.procNumber);
#else
	return vxid.backendId == InvalidBackendId ? NULL :
												BackendIdGetProc(vxid.backendId);
#endif
}

/*
 * Does a prepared transaction hold a lock, that is, one which is no longer its
 * session's?  A transaction that was prepared before the server's start has no
 * session.
 */
static inline bool
compat_vxid_is_prepared(VirtualTransactionId holder)
{
	PGPROC *process = compat_vxid_process(holder);

#if PG_VERSION_NUM >= 170000
	return process == NULL || process->vxid.lxid != holder.localTransactionId;
#else
	return process == NULL || process->lxid != holder.localTransactionId;
#endif
}

/* Returns the transaction id that a session has now, if it has one. */
static inline TransactionId
compat_vxid_xid(VirtualTransactionId holder)
{
	PGPROC *process = compat_vxid_process(holder);

	return process == NULL ? InvalidTransactionId : process->xid;
}

#endif /* DDBSTREAMS_COMPAT_H */
