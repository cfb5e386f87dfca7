/*
 * compat.h
 *	  The only file that knows PostgreSQL versions.  Each shim says why.
 */
#ifndef DDBSTREAMS_COMPAT_H
#define DDBSTREAMS_COMPAT_H

#include "postgres.h"

#include "access/tupdesc.h"

#if PG_VERSION_NUM < 150000
#error "ddbstreams needs PostgreSQL 15 or later"
#endif

/* 16 took the macros for varlenas out of postgres.h. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* 18 has pg_noreturn instead, which goes in front and not behind. */
#if PG_VERSION_NUM >= 180000
#define pg_attribute_noreturn() __attribute__((noreturn))
#endif

/* 16 replaced the ownership checks of each catalogue by a generic one. */
#if PG_VERSION_NUM >= 160000
#define compat_owns_relation(relid, roleid) \
	object_ownercheck(RelationRelationId, relid, roleid)
#else
#define compat_owns_relation(relid, roleid) \
	pg_class_ownercheck(relid, roleid)
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

/* 16 added an argument to makeIndexInfo (summarizing), 18 another (overlaps). */
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

/* 16 renamed relfilenode to relfilenumber. */
#if PG_VERSION_NUM >= 160000
#define compat_file_number(rel) ((rel)->rd_locator.relNumber)
#else
#define compat_file_number(rel) ((rel)->rd_node.relNode)
#endif

/* 16 lets make_range report errors softly. */
#if PG_VERSION_NUM >= 160000
#define compat_make_range(typcache, lower, upper) \
	make_range(typcache, lower, upper, false, NULL)
#else
#define compat_make_range(typcache, lower, upper) \
	make_range(typcache, lower, upper, false)
#endif

/*
 * 17 replaced backend ids by process numbers.  Is a lock held by a transaction
 * that is no longer its session's, being prepared?  One prepared before the
 * server's start has no session.
 */
#if PG_VERSION_NUM >= 170000
#define compat_vxid_is_prepared(vxid)                \
	((vxid).procNumber == INVALID_PROC_NUMBER ||     \
	 ProcNumberGetProc((vxid).procNumber) == NULL || \
	 ProcNumberGetProc((vxid).procNumber)->vxid.lxid != (vxid).localTransactionId)
#else
#define compat_vxid_is_prepared(vxid)              \
	((vxid).backendId == InvalidBackendId ||       \
	 BackendIdGetProc((vxid).backendId) == NULL || \
	 BackendIdGetProc((vxid).backendId)->lxid != (vxid).localTransactionId)
#endif

#endif /* DDBSTREAMS_COMPAT_H */
