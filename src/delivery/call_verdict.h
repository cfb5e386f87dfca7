/*
 * call_verdict.h
 *	  Which calls of handlers have ended their process, and how.
 */
#ifndef DDBSTREAMS_CALL_VERDICT_H
#define DDBSTREAMS_CALL_VERDICT_H

#include "base/ddbstreams.h"

#include "delivery/delivery.h"

/* Why the process that made a call has ended during it */
typedef enum CallVerdict
{
	CALL_EXCUSED,	 /* it is not known, or was nobody's fault */
	CALL_TERMINATED, /* another process, such as an administrator's, did it */
	CALL_FATAL,		 /* a FATAL error that is not the handler's */
	CALL_TIMED_OUT,	 /* the call did not end when it was cancelled */
	CALL_GUILTY		 /* the call itself has ended it, or crashed it */
} CallVerdict;

/*
 * What a call has begun with, if its unit's position was not written before
 * it.  A note completes a position that is on disk already.
 */
typedef struct CallNote
{
	int64		checkpoint; /* as in the position */
	int64		batch_end;
	int64		records_filtered;
	TimestampTz window_start; /* as in the position; 0: null */
	TimestampTz window_end;
} CallNote;

extern Size call_verdict_shmem_size(void);

/* Called in the postmaster, at its start and after a crash of a backend. */
extern void call_verdict_shmem_init(void);

/*
 * Called by a handler worker and by a dispatcher, before they connect.  index
 * is that of the worker's entry in the mailbox; -1 for a dispatcher, which
 * makes no calls.
 */
extern void call_verdict_attach(int index);

/*
 * A call begins or ends in this worker.  call_no is what tells the call from
 * others of the same unit: that of its position as it is stored.  note is NULL
 * if the position says that the call has begun.
 */
extern void call_verdict_begin(const DeliveryUnit *unit, int64 call_no,
							   const CallNote *note);
extern void call_verdict_end(void);

/*
 * The call that runs is about to be ended because it does not end itself.  May
 * be called in a signal handler.
 */
extern void call_verdict_note_time_out(void);

/*
 * Returns why the process of a call in this database has ended during it.
 * That is known until call_verdict_forget, which is called when what follows
 * from it is committed and on disk: a crash in between would lose both.
 */
extern CallVerdict call_verdict_find(const DeliveryUnit *unit, int64 call_no);

/*
 * Is there a verdict on a call that was only noted here, with the position
 * that has this call_no and checkpoint?  If so, fills *note.
 */
extern bool call_verdict_find_noted(const DeliveryUnit *unit, int64 call_no,
									int64 checkpoint, CallNote *note);
extern void call_verdict_forget(const DeliveryUnit *unit, int64 call_no);

#endif /* DDBSTREAMS_CALL_VERDICT_H */
