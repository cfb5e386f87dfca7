/*
 * role_backoff.h
 *	  Roles whose handler workers end at their start.
 */
#ifndef DDBSTREAMS_ROLE_BACKOFF_H
#define DDBSTREAMS_ROLE_BACKOFF_H

#include "base/ddbstreams.h"

#include "datatype/timestamp.h"

extern TimestampTz role_backoff_next_start(Oid role);
extern void		   role_backoff_note_problem(Oid role);
extern void		   role_backoff_forget_problem(Oid role);

#endif /* DDBSTREAMS_ROLE_BACKOFF_H */
