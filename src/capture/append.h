/*
 * append.h
 *	  From the change buffer to the shards, at commit.
 */
#ifndef DDBSTREAMS_APPEND_H
#define DDBSTREAMS_APPEND_H

#include "base/ddbstreams.h"

/* The trigger has put changes into the buffer. */
extern void append_changes_captured(void);

/* Does work that the session's lock_timeout must not interrupt. */
extern void append_without_lock_timeout(void (*work)(void));

/* Appends what the buffer holds: at pre-commit and at PREPARE. */
extern void append_at_commit(void);

/* Forgets the transaction: after its commit, its abort or its PREPARE. */
extern void append_end_transaction(void);

#endif /* DDBSTREAMS_APPEND_H */
