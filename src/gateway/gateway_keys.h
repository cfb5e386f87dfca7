/*
 * gateway_keys.h
 *	  Access keys: the file that --keys names.
 */
#ifndef DDBSTREAMS_GATEWAY_KEYS_H
#define DDBSTREAMS_GATEWAY_KEYS_H

#include <stdbool.h>

#include "gateway/database_pool.h"

#define KEYS_MAX_SECRET 256

/*
 * Reads the keys file, and puts its keys in the place of those that were read
 * before.  If anything is wrong with it, that is logged, nothing changes, and
 * false is returned.
 */
extern bool keys_load(const char *file);

/*
 * Finds an access key.  Copies its secret, and sets the pool of its role.  For
 * an unknown key it copies a secret that nobody knows, so that a caller can do
 * the same work, and returns false.
 */
extern bool keys_find(const char *access_key, char *secret, DatabasePool **pool);

/*
 * Calls something for the pool of each key, once for each pool.  Returns
 * whether all calls have returned true.
 */
extern bool keys_each_pool(bool (*visit)(DatabasePool *pool));

#endif /* DDBSTREAMS_GATEWAY_KEYS_H */
