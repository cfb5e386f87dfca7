/*
 * stream_guard.h
 *	  DDL that touches captured tables, and what follows from it.
 */
#ifndef STREAM_GUARD_H
#define STREAM_GUARD_H

#include "ddbstreams.h"

extern void stream_guard_init(void);
extern void stream_guard_check(void);
extern bool stream_guard_has_dropped(void);
extern void stream_guard_close_dropped(void);
extern void stream_guard_cut(SubTransactionId subid);
extern void stream_guard_forget(void);

#endif /* STREAM_GUARD_H */
