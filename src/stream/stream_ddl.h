/*
 * stream_ddl.h
 *	  What the commands of a transaction have done to tables.
 */
#ifndef DDBSTREAMS_STREAM_DDL_H
#define DDBSTREAMS_STREAM_DDL_H

#include "base/ddbstreams.h"

#include "catalog/objectaccess.h"
#include "nodes/pg_list.h"

typedef enum DdlEvent
{
	TABLE_ALTERED,
	TABLE_DROPPED,
	TABLE_TAKEN_OVER, /* by another extension */
	KEY_LOST,		  /* with what it depends on */
	TRIGGER_DROPPED,  /* a capture trigger */
	RELATION_CREATED  /* perhaps an index, whose kind cannot be seen yet */
} DdlEvent;

/* What this transaction has done to a table */
typedef struct DdlNote
{
	SubTransactionId subid;
	Oid				 relid;
	DdlEvent		 event;
	Oid				 owner;		   /* of a dropped table */
	bool			 of_temporary; /* by the removal of temporary objects */
} DdlNote;

/*
 * The object access hook: notes the tables that a command changes or drops.
 * Raises an error if a user who does not own a table makes its row trigger.
 */
extern void stream_ddl_object_access(ObjectAccessType access, Oid class_id,
									 Oid object_id, int sub_id, void *arg);

/* Notes that a table was altered. */
extern void stream_ddl_note_altered(Oid relid);

/* Notes how a stream is to end. */
extern void stream_ddl_note_ending(Oid relid, DdlEvent event);

extern bool stream_ddl_has_notes(void);
extern bool stream_ddl_has_note(Oid relid, DdlEvent event);

/* Returns the notes, as DdlNote *, in a list of the caller's. */
extern List *stream_ddl_notes(void);

/* What has been done since the notes of it were taken last */
typedef struct DdlChanges
{
	List *altered; /* tables, each of them once */
	List *created; /* relations */
	bool  triggers_dropped;
	bool  of_temporary; /* one was altered by the removal of temporary objects */
} DdlChanges;

/* Takes the notes of what is to be checked; those of endings stay. */
extern void stream_ddl_take(DdlChanges *changes);

/*
 * Called behind the last check of a transaction: the key of a stream must not
 * be dropped any more.
 */
extern void stream_ddl_close(void);

/* A subtransaction has been aborted: drops its notes. */
extern void stream_ddl_cut(SubTransactionId subid);

/* The transaction has ended: drops all notes. */
extern void stream_ddl_forget(void);

#endif /* DDBSTREAMS_STREAM_DDL_H */
