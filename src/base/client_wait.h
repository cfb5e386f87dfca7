/*
 * client_wait.h
 *	  Not waiting for the client while others wait for this process.
 *
 *		client_wait_forbid(reason);
 *		... what readers or writers of other sessions wait for ...
 *		client_wait_allow(reason);
 */
#ifndef DDBSTREAMS_CLIENT_WAIT_H
#define DDBSTREAMS_CLIENT_WAIT_H

#include "base/ddbstreams.h"

/* What others wait for; bits of a set */
typedef enum ClientWaitReason
{
	CLIENT_WAIT_APPENDED = 1,	/* records of a transaction that is ending */
	CLIENT_WAIT_READER_SLOT = 2 /* a slot of a shard */
} ClientWaitReason;

/*
 * From now on what is sent to the client is kept in memory if the client does
 * not read it.  An error does not change that: what it leaves behind allows it
 * at the end of the (sub)transaction.
 */
extern void client_wait_forbid(ClientWaitReason reason);

extern void client_wait_allow(ClientWaitReason reason);

#endif /* DDBSTREAMS_CLIENT_WAIT_H */
