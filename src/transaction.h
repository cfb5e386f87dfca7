/*
 * transaction.h
 *	  From the change buffer to the shards, at commit.
 */
#ifndef TRANSACTION_H
#define TRANSACTION_H

#include "ddbstreams.h"

extern void transaction_wakes_readers(Oid shard_table);
extern void transaction_init(void);
extern void transaction_changes_captured(void);

#endif /* TRANSACTION_H */
