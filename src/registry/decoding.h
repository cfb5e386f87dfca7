/*
 * decoding.h
 *	  Keeping ddbstreams' own tables out of logical decoding.
 */
#ifndef DECODING_H
#define DECODING_H

#include "base/ddbstreams.h"

extern void decoding_hide(Oid relid);
extern bool decoding_is_hidden(Oid relid);
extern bool decoding_hide_all(void);

#endif /* DECODING_H */
