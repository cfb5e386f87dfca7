/*
 * delivery_process.h
 *	  What a handler may have changed in its process.
 */
#ifndef DDBSTREAMS_DELIVERY_PROCESS_H
#define DDBSTREAMS_DELIVERY_PROCESS_H

#include "base/ddbstreams.h"

/* Remembers what the process is like, before any handler was called. */
extern void delivery_process_save(void);

/*
 * Puts back what has been changed since delivery_process_save.  If the process
 * may have missed that it is to end, it ends when it next checks for
 * interrupts.
 */
extern void delivery_process_restore(void);

/* Has something been changed that cannot be put back? */
extern bool delivery_process_is_spoilt(void);

#endif /* DDBSTREAMS_DELIVERY_PROCESS_H */
