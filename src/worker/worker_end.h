/*
 * worker_end.h
 *	  How a worker's process is ended, and by which process.
 */
#ifndef DDBSTREAMS_WORKER_END_H
#define DDBSTREAMS_WORKER_END_H

#include "base/ddbstreams.h"

/*
 * Has the process react to SIGTERM and SIGQUIT, and to FATAL errors, as
 * worker_end.c says.  To be called once, when the worker has taken its slot.
 * The function is given the message of a FATAL error for the view.
 */
extern void worker_end_init(void (*error_function)(int sqlstate, const char *error));

/*
 * Has the process been told to end by what is no failure: by
 * worker_slots_terminate, by worker_end_order, or by a shutdown of the server?
 * Then its end is not worth a word in the log.
 */
extern bool worker_end_is_ordered(void);

/*
 * Ends the process, as if by worker_slots_terminate, as soon as it checks for
 * interrupts.  May be called in a signal handler.
 */
extern void worker_end_order(void);

/*
 * Has another process sent SIGTERM?  False if none has come, or if this
 * process has sent it to itself.
 */
extern bool worker_end_is_from_outside(void);

/* The SQLSTATE of the FATAL error that ends the process; 0: there is none */
extern int worker_end_fatal_sqlstate(void);

/*
 * Has a function called when the postmaster ends the process by SIGQUIT: after
 * the crash of another one, or at an immediate shutdown.  The function runs in
 * a signal handler.
 */
extern void worker_end_set_quit_function(void (*function)(void));

#endif /* DDBSTREAMS_WORKER_END_H */
